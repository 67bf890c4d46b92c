package dev.heddle.weave;

import java.lang.classfile.CodeElement;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.ArrayStoreInstruction;
import java.lang.classfile.instruction.ConstantInstruction;
import java.lang.classfile.instruction.FieldInstruction;
import java.util.Map;
import java.util.TreeMap;

/**
 * javac compiles a switch over an enum to a switch over {@code $SwitchMap$Type[e.ordinal()]}, an array of a synthetic
 * class. Reads the contents of such arrays from the initialiser of their class, which for each constant does
 * {@code $SwitchMap$Type[Type.CONSTANT.ordinal()] = number}.
 */
final class SwitchMaps {
    private static final String PREFIX = "$SwitchMap$";

    private final Classes classes;

    SwitchMaps(Classes classes) {
        this.classes = classes;
    }

    static boolean isSwitchMap(String field) {
        return field.startsWith(PREFIX);
    }

    /** The case number of each ordinal that has one; the others go to the default. */
    Map<Integer, Integer> caseNumbers(Fact.SwitchMap map) {
        Map<Integer, Integer> numbers = new TreeMap<>();
        for (MethodModel m : classes.get(map.owner()).methods()) {
            if (m.methodName().equalsString("<clinit>")) {
                read(m, map.field(), numbers);
            }
        }
        return numbers;
    }

    private void read(MethodModel initialiser, String wanted, Map<Integer, Integer> numbers) {
        String field = "";
        int ordinal = -1;
        int number = 0;
        for (CodeElement e : initialiser.code().orElseThrow()) {
            switch (e) {
                case FieldInstruction f
                when isSwitchMap(f.name().stringValue()) -> field = f.name().stringValue();
                case FieldInstruction f -> ordinal = ordinal(f);
                case ConstantInstruction c when c.constantValue() instanceof Integer n -> number = n;
                case ArrayStoreInstruction _ -> {
                    if (field.equals(wanted)) {
                        numbers.put(ordinal, number);
                    }
                }
                default -> {}
            }
        }
    }

    private int ordinal(FieldInstruction constant) {
        String owner = constant.owner().asInternalName();
        return classes.enumConstants(classes.get(owner)).indexOf(constant.name().stringValue());
    }
}
