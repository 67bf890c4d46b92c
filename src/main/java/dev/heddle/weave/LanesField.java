package dev.heddle.weave;

import java.lang.classfile.Opcode;
import java.lang.constant.ClassDesc;
import java.nio.ByteOrder;

/** What the fields of the templates' class {@code Lanes} are at a width. All species have the same lane count. */
final class LanesField {
    static final ClassDesc SPECIES = ClassDesc.of("jdk.incubator.vector.VectorSpecies");

    private LanesField() {}

    /** An int for {@code LANES} and {@code BYTES}, else the constant of the JDK to read. */
    sealed interface Replacement {
        record Int(int value) implements Replacement {}

        record Field(Tape.Item.Field get) implements Replacement {}
    }

    private enum Species {
        S(Lane.FLOAT, Float.SIZE),
        SI(Lane.INT, Integer.SIZE),
        SS(Lane.SHORT, Short.SIZE),
        SB(Lane.BYTE, Byte.SIZE),
        SL(Lane.LONG, Long.SIZE),
        SD(Lane.DOUBLE, Double.SIZE);

        private final Lane lane;
        private final int bits;

        Species(Lane lane, int bits) {
            this.lane = lane;
            this.bits = bits;
        }

        Replacement at(int lanes) {
            int shape = lanes * bits;
            if (lanes > 1 && (shape < 64 || shape > 512)) {
                throw new Refusal("there are no vectors of " + lanes + " lanes of " + bits + " bits");
            }
            return new Replacement.Field(
                    new Tape.Item.Field(Opcode.GETSTATIC, lane.vector(), "SPECIES_" + shape, SPECIES));
        }
    }

    static Replacement of(String field, int lanes) {
        return switch (field) {
            case "LANES" -> new Replacement.Int(lanes);
            case "BYTES" -> new Replacement.Int(lanes * Float.BYTES);
            case "LE" ->
                new Replacement.Field(new Tape.Item.Field(
                        Opcode.GETSTATIC,
                        ByteOrder.class.describeConstable().orElseThrow(),
                        "LITTLE_ENDIAN",
                        ByteOrder.class.describeConstable().orElseThrow()));
            default -> species(field).at(lanes);
        };
    }

    private static Species species(String field) {
        for (Species s : Species.values()) {
            if (s.name().equals(field)) {
                return s;
            }
        }
        throw new Refusal("the weaver knows no field " + field + " of Lanes");
    }
}
