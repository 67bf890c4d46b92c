package dev.heddle.kernel;

import com.sun.management.HotSpotDiagnosticMXBean;
import dev.heddle.HeddleException;
import dev.heddle.memory.NativeAccess;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * Which backend runs here, and why. The checks go from cheap to dear, once; the first that fails gives the reason. A
 * choice forced by {@code -Dheddle.backend} that cannot be honoured throws at the first use, the automatic one degrades to
 * scalar and logs one line.
 */
public final class Backends {
    private Backends() {}

    private static final String MODULE = "jdk.incubator.vector";
    private static final ScopedValue<Backend> FORCED = ScopedValue.newInstance();

    /** The outcome: what serves, whether its choice was forced, and for each backend why it can or cannot run. */
    private record Selection(
            Backend backend,
            boolean forced,
            List<String> reasons,
            @Nullable String error) {}

    private static final String WANTED = System.getProperty("heddle.backend", "auto");
    private static final boolean FORCED_BY_PROPERTY = !WANTED.equals("auto");
    private static final boolean EAGER = FORCED_BY_PROPERTY || System.getProperty("heddle.vectorBits") != null;
    private static final AtomicBoolean ASKED = new AtomicBoolean();

    private static final class Holder {
        static final Selection SELECTION = select();
    }

    /** Whether the holder's outcome is there; asking for it earlier takes tens of milliseconds. */
    private static volatile boolean selected;

    /**
     * The backend that serves calls of this thread. The first automatic choice is made in the background: until then
     * scalar serves, as it does for kernels that are not compiled yet, so that the first call does not wait.
     */
    static Backend current() {
        if (FORCED.isBound()) {
            return FORCED.get();
        }
        if (EAGER || selected) {
            return choice();
        }
        NativeAccess.require();
        if (ASKED.compareAndSet(false, true)) {
            new Selecting().start();
        }
        return Backend.SCALAR;
    }

    /** Chooses once the first call is over: the choice loads half of the management classes. */
    private static final class Selecting extends Thread {
        private static final long FIRST_CALL_MILLIS = 50;

        Selecting() {
            super("heddle-select");
            setDaemon(true);
        }

        @Override
        public void run() {
            try {
                Thread.sleep(FIRST_CALL_MILLIS);
            } catch (InterruptedException e) {
                // then choose at once
            }
            choice();
        }
    }

    /** The backend that was chosen, chosen now if need be. */
    public static Backend choice() {
        Selection s = Holder.SELECTION;
        selected = true;
        if (s.error() != null) {
            throw new HeddleException(s.error());
        }
        return s.backend();
    }

    /** Whether {@link #current} must serve at once, cold or not. */
    static boolean isForced() {
        return FORCED.isBound() || FORCED_BY_PROPERTY;
    }

    /** Runs {@code body} on one backend, whatever was chosen: for verification and tests. */
    public static void with(Backend backend, Runnable body) {
        ScopedValue.where(FORCED, backend).run(body);
    }

    /** The backends that can run here, narrowest first. */
    public static List<Backend> usable() {
        List<Backend> all = new ArrayList<>(List.of(Backend.SCALAR));
        if (whyNoVectors() == null) {
            for (int bits = 128; bits <= hardwareBits(); bits *= 2) {
                all.add(Backend.vector(bits));
            }
        }
        return all;
    }

    /** What runs here and why, a line each. */
    public static List<String> describe() {
        Selection s = Holder.SELECTION;
        List<String> lines = new ArrayList<>();
        lines.add("backend "
                + (s.error() == null ? s.backend() + (s.forced() ? " (forced)" : "") : "none: " + s.error()));
        lines.addAll(s.reasons());
        return lines;
    }

    private static Selection select() {
        List<String> reasons = new ArrayList<>();
        String why = whyNoVectors();
        reasons.add("scalar: usable always");
        reasons.add("vector: " + (why == null ? "usable, " + hardwareBits() + " bits" : why));
        String memory = NativeAccess.whyNot();
        if (memory != null) {
            return new Selection(Backend.SCALAR, false, reasons, memory);
        }
        return switch (WANTED) {
            case "scalar" -> new Selection(Backend.SCALAR, true, reasons, null);
            case "vector" ->
                why == null
                        ? width(true, reasons)
                        : new Selection(
                                Backend.SCALAR, true, reasons, "-Dheddle.backend=vector cannot be honoured: " + why);
            case "auto" -> {
                if (why == null) {
                    yield width(false, reasons);
                }
                System.getLogger("dev.heddle")
                        .log(
                                System.Logger.Level.WARNING,
                                "scalar kernels, about ten times slower than vector ones: {0}."
                                        + " Silence this with -Dheddle.backend=scalar",
                                why);
                yield new Selection(Backend.SCALAR, false, reasons, null);
            }
            default ->
                new Selection(
                        Backend.SCALAR,
                        true,
                        reasons,
                        "-Dheddle.backend=" + WANTED + ": must be auto, scalar or vector");
        };
    }

    private static Selection width(boolean forced, List<String> reasons) {
        String wanted = System.getProperty("heddle.vectorBits", "auto");
        int bits = hardwareBits();
        if (!wanted.equals("auto")) {
            if (!wanted.matches("128|256|512")) {
                return new Selection(
                        Backend.SCALAR, true, reasons, "-Dheddle.vectorBits=" + wanted + ": must be 128, 256 or 512");
            }
            if (Integer.parseInt(wanted) > bits) {
                return new Selection(
                        Backend.SCALAR,
                        true,
                        reasons,
                        "-Dheddle.vectorBits=" + wanted + " cannot be honoured: this machine has " + bits + " bits");
            }
            bits = Integer.parseInt(wanted);
        }
        return new Selection(Backend.vector(bits), forced, reasons, null);
    }

    /** Null if vector kernels can run here at full speed, else why not and what would help. */
    private static @Nullable String whyNoVectors() {
        String vm = System.getProperty("java.vm.name", "");
        String info = System.getProperty("java.vm.info", "");
        Optional<Module> module = ModuleLayer.boot().findModule(MODULE);
        if (module.isEmpty()) {
            return "module " + MODULE + " is not resolved; add --add-modules " + MODULE
                    + " to the java command or to JDK_JAVA_OPTIONS";
        }
        Backends.class.getModule().addReads(module.get());
        if (vm.contains("OpenJ9")) {
            return "OpenJ9 compiles the Vector API 50 to 100 times slower than HotSpot's C2";
        }
        if (info.contains("interpreted mode") || info.contains("emulated-client") || vm.contains("Client")) {
            return "this JVM runs without C2 (" + info + "); remove -Xint, -client or -XX:TieredStopAtLevel";
        }
        String level = vmOption("TieredStopAtLevel");
        if (level != null && Integer.parseInt(level) < 4) {
            return "this JVM runs without C2 (TieredStopAtLevel=" + level + "); remove -XX:TieredStopAtLevel";
        }
        if ("true".equals(vmOption("UseJVMCICompiler"))) {
            return "a JVMCI compiler replaces C2 and may lack the Vector API's intrinsics";
        }
        if ("false".equals(vmOption("UseFMA"))) {
            return "the processor has no fused multiply-add (UseFMA is false)";
        }
        int bits = hardwareBits();
        boolean x86 = System.getProperty("os.arch", "").matches("amd64|x86_64");
        if (bits < (x86 ? 256 : 128)) {
            return "vectors of " + bits + " bits only (MaxVectorSize); needs AVX2 or NEON";
        }
        if (!Dispatch.isWoven(Backend.vector(bits))) {
            return "the kernels were not woven; build with mvn process-classes";
        }
        return null;
    }

    private static int hardwareBits() {
        String bytes = vmOption("MaxVectorSize");
        return Math.min(512, 8 * (bytes == null ? 16 : Integer.parseInt(bytes)));
    }

    private static @Nullable String vmOption(String name) {
        try {
            HotSpotDiagnosticMXBean bean = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
            return bean == null ? null : bean.getVMOption(name).getValue();
        } catch (IllegalArgumentException e) {
            return null; // this VM has no such option
        }
    }
}
