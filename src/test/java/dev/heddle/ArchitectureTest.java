package dev.heddle;

import static com.tngtech.archunit.core.domain.JavaAccess.Predicates.target;
import static com.tngtech.archunit.core.domain.JavaAccess.Predicates.targetOwner;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.assignableTo;
import static com.tngtech.archunit.core.domain.properties.HasName.Predicates.nameMatching;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.GeneralCodingRules.ACCESS_STANDARD_STREAMS;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaField;
import com.tngtech.archunit.core.domain.JavaMember;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaType;
import com.tngtech.archunit.core.domain.properties.HasName;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.core.importer.ImportOption.DoNotIncludeTests;
import com.tngtech.archunit.core.importer.Location;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.AddressLayout;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.module.ModuleDescriptor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The rules of ARCHITECTURE.md that a compiler does not see. */
@AnalyzeClasses(
        packages = "dev.heddle",
        importOptions = {DoNotIncludeTests.class, ArchitectureTest.OneWidth.class})
class ArchitectureTest {
    private static final String ROOT = "dev.heddle";

    /** The build step. */
    private static final String WEAVE = "dev.heddle.weave..";

    /** From the ground up: a package uses its own floor and those below. */
    private static final List<Set<String>> FLOORS = List.of(
            Set.of("memory"),
            Set.of("tensor", "parallel"),
            Set.of("kernel"),
            Set.of("graph", "op"),
            Set.of("autograd"),
            Set.of("nn", "optim"),
            Set.of("models"),
            Set.of("io"),
            Set.of("cli", "djl"));

    private static final String TRANSCENDENTAL =
            "sin|cos|tan|asin|acos|atan|atan2|sinh|cosh|tanh|exp|expm1|log|log10|log1p|pow|cbrt|hypot";

    /** Of the woven kernels the scalar ones and one width are enough: the others differ in a constant. */
    static final class OneWidth implements ImportOption {
        @Override
        public boolean includes(Location location) {
            return !location.contains("/kernel/vector128/") && !location.contains("/kernel/vector256/");
        }
    }

    @ArchTest
    static final ArchRule PACKAGES_USE_ONLY_THEIR_FLOOR_AND_THOSE_BELOW = classes()
            .that()
            .resideOutsideOfPackages(ROOT, WEAVE)
            .should(new ArchCondition<>("use only their floor and those below") {
                @Override
                public void check(JavaClass user, ConditionEvents events) {
                    for (Dependency use : user.getDirectDependenciesFromSelf()) {
                        JavaClass used = use.getTargetClass().getBaseComponentType();
                        if (hasFloor(used) && floor(used) > floor(user)) {
                            events.add(SimpleConditionEvent.violated(user, use.getDescription()));
                        }
                    }
                }
            });

    @ArchTest
    static final ArchRule NOTHING_IN_THE_JAR_NEEDS_THE_WEAVER = noClasses()
            .that()
            .resideOutsideOfPackages("dev.heddle.kernel.vector", WEAVE)
            .should()
            .accessClassesThat()
            .resideInAPackage(WEAVE);

    /** What woven kernels, and nobody else, read. */
    private static final String VECTOR_CLASSES = "dev\\.heddle\\.kernel\\.VectorClasses.*";

    @ArchTest
    static final ArchRule ONLY_VECTOR_KERNELS_TOUCH_THE_INCUBATOR = noClasses()
            .that()
            .resideOutsideOfPackages(
                    "dev.heddle.kernel.vector",
                    "dev.heddle.kernel.vector128",
                    "dev.heddle.kernel.vector256",
                    "dev.heddle.kernel.vector512",
                    WEAVE)
            .and()
            .haveNameNotMatching(VECTOR_CLASSES)
            .should()
            .dependOnClassesThat(JavaClass.Predicates.resideInAPackage("jdk.incubator..")
                    .or(HasName.Predicates.nameMatching(VECTOR_CLASSES)));

    @ArchTest
    static final ArchRule ONLY_MEMORY_AND_CUDA_LEAVE_THE_BOUNDS_OF_JAVA = noClasses()
            .that()
            .resideOutsideOfPackage("dev.heddle.kernel.cuda..")
            .and()
            .resideOutsideOfPackage("dev.heddle.memory")
            .should()
            .accessTargetWhere(calls(MemorySegment.class, "reinterpret")
                    .or(calls(AddressLayout.class, "withTargetLayout"))
                    .or(calls(Linker.class, "downcallHandle|upcallStub"))
                    .or(calls(SymbolLookup.class, "libraryLookup"))
                    .or(calls(System.class, "load|loadLibrary"))
                    .or(calls(Runtime.class, "load|loadLibrary"))
                    .as("calls a restricted method"));

    @ArchTest
    static final ArchRule THE_API_SHOWS_NOTHING_INTERNAL = classes()
            .that()
            .arePublic()
            .should(new ArchCondition<>("show no type of ours from a package that is not exported") {
                private final Set<String> exported = exportedPackages();

                @Override
                public void check(JavaClass shown, ConditionEvents events) {
                    if (!exported.contains(shown.getPackageName())) {
                        return;
                    }
                    Stream.concat(
                                    Stream.concat(shown.getSuperclass().stream(), shown.getInterfaces().stream()),
                                    shown.getMembers().stream()
                                            .filter(ArchitectureTest::isShown)
                                            .flatMap(ArchitectureTest::signature))
                            .flatMap(type -> type.getAllInvolvedRawTypes().stream())
                            .map(JavaClass::getBaseComponentType)
                            .filter(type -> isOurs(type) && !exported.contains(type.getPackageName()))
                            .forEach(type -> events.add(SimpleConditionEvent.violated(
                                    shown, shown.getName() + " shows the internal " + type.getName())));
                }
            });

    @ArchTest
    static final ArchRule THE_SAME_BITS_EVERYWHERE = noClasses()
            .should()
            .accessTargetWhere(calls(Math.class, TRANSCENDENTAL)
                    .as("calls what Math computes differently from platform to platform (StrictMath does not)"))
            .orShould()
            .accessTargetWhere(targetOwner(nameMatching("jdk\\.incubator\\.vector\\.VectorOperators"))
                    .and(target(nameMatching("(?i)" + TRANSCENDENTAL)))
                    .as("uses an operator that the Vector API computes differently from platform to platform"));

    @ArchTest
    static final ArchRule NO_THREAD_LOCALS = noClasses()
            .should()
            .dependOnClassesThat(assignableTo(ThreadLocal.class).as("are thread locals"));

    @ArchTest
    static final ArchRule ONLY_THE_COMMAND_LINE_PRINTS = noClasses()
            .that()
            .resideOutsideOfPackages("dev.heddle.cli..", WEAVE)
            .should(ACCESS_STANDARD_STREAMS);

    @ArchTest
    static final ArchRule NOBODY_CHANGES_SYSTEM_PROPERTIES = noClasses()
            .should()
            .accessTargetWhere(calls(System.class, "setProperty|setProperties|clearProperty")
                    .as("changes the system properties"));

    private static DescribedPredicate<JavaAccess<?>> calls(Class<?> owner, String methods) {
        return targetOwner(assignableTo(owner)).and(target(nameMatching(methods)));
    }

    private static boolean isOurs(JavaClass type) {
        return type.getPackageName().startsWith(ROOT);
    }

    private static boolean hasFloor(JavaClass type) {
        return isOurs(type)
                && !type.getPackageName().equals(ROOT)
                && !type.getPackageName().startsWith("dev.heddle.weave");
    }

    private static int floor(JavaClass type) {
        String room = type.getPackageName().substring(ROOT.length() + 1).split("\\.")[0];
        for (int i = 0; i < FLOORS.size(); i++) {
            if (FLOORS.get(i).contains(room)) {
                return i;
            }
        }
        throw new AssertionError("the package of " + type.getName() + " has no floor in ArchitectureTest.FLOORS");
    }

    static Set<String> exportedPackages() {
        try (InputStream in = Files.newInputStream(Path.of("target/classes/module-info.class"))) {
            return ModuleDescriptor.read(in).exports().stream()
                    .filter(e -> !e.isQualified())
                    .map(ModuleDescriptor.Exports::source)
                    .collect(Collectors.toUnmodifiableSet());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static boolean isShown(JavaMember member) {
        return member.getModifiers().contains(JavaModifier.PUBLIC)
                || member.getModifiers().contains(JavaModifier.PROTECTED);
    }

    private static Stream<JavaType> signature(JavaMember member) {
        if (member instanceof JavaField field) {
            return Stream.of(field.getType());
        }
        JavaCodeUnit unit = (JavaCodeUnit) member;
        return Stream.of(
                        Stream.of(unit.getReturnType()),
                        unit.getParameterTypes().stream(),
                        unit.getExceptionTypes().stream())
                .flatMap(s -> s);
    }
}
