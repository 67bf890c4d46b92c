package dev.heddle.kernel;

import dev.heddle.HeddleException;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicIntegerArray;
import org.jspecify.annotations.Nullable;

/**
 * The implementations of one kernel family, and which of them serves a call now. A vector kernel that HotSpot has not
 * compiled yet is thousands of times slower than it will be, so until it is its scalar twin serves, with the same bits,
 * while {@link WarmUp} drives the vector kernel in the background.
 *
 * @param <K> the family's interface, named after its class in {@code kernel.vector} with {@code Kernels} appended
 */
public final class Dispatch<K> {
    /** Runs one variant on tiny inputs of realistic row lengths. */
    @FunctionalInterface
    public interface Probe<K> {
        /**
         * @param lanes the lanes of this implementation, at most as many as the inputs must have columns
         * @param scratch {@link WarmUp#SCRATCH} bytes of zeroed memory
         * @return how many elements the run worked on
         */
        long run(K kernels, int lanes, int variant, long scratch);
    }

    /** What serves a call: the kernels, and the backend that they are of. */
    public record Chosen<K>(K kernels, Backend backend) {
        public int lanes() {
            return backend.lanes();
        }
    }

    private static final String SUFFIX = "Kernels";
    private static final int COLD = 0;
    private static final int WARMING = 1;
    private static final int HOT = 2;
    private static final int NEVER = 3;

    private final Class<K> family;
    private final Probe<K> probe;
    private final AtomicIntegerArray states;
    private final ConcurrentHashMap<Backend, Chosen<K>> loaded = new ConcurrentHashMap<>();

    /** @param variants how many variants the family has, numbered from 0; each is compiled, and so warmed, by itself */
    public Dispatch(Class<K> family, int variants, Probe<K> probe) {
        this.family = family;
        this.probe = probe;
        this.states = new AtomicIntegerArray(variants * 4);
    }

    /**
     * The kernels for a call of one variant on rows of {@code columns} independent outputs: the widest that is not wider
     * than a row, if it is compiled, else the scalar twin.
     */
    public Chosen<K> choose(int variant, long columns) {
        Backend backend = Backends.current();
        int lanes = lanes(columns);
        Backend fitting = backend.withLanes(lanes);
        if (lanes == 1 || Backends.isForced() || isHot(variant, fitting)) {
            return load(fitting);
        }
        return load(backend.withLanes(1));
    }

    /** How many lanes serve rows of {@code columns} once compiled: those of the widest backend not wider than a row. */
    public int lanes(long columns) {
        int lanes = Backends.current().lanes();
        while (lanes > 1 && lanes > columns) {
            lanes = lanes == 4 ? 1 : lanes / 2;
        }
        return lanes;
    }

    private boolean isHot(int variant, Backend backend) {
        int slot = slot(variant, backend);
        int state = states.get(slot);
        if (state == COLD && states.compareAndSet(slot, COLD, WARMING)) {
            WarmUp.request(new Warming<>(this, variant, backend));
        }
        return state == HOT;
    }

    private static int slot(int variant, Backend backend) {
        return variant * 4 + Integer.numberOfTrailingZeros(backend.lanes() / 2);
    }

    /** One variant on its way to being compiled. */
    record Warming<K>(Dispatch<K> dispatch, int variant, Backend backend) {
        long probe(Backend on, long scratch) {
            return dispatch.probe.run(dispatch.load(on).kernels(), on.lanes(), variant, scratch);
        }

        void done(boolean hot) {
            dispatch.states.set(slot(variant, backend), hot ? HOT : NEVER);
        }

        @Override
        public String toString() {
            return dispatch.family.getSimpleName().replace(SUFFIX, "") + " variant " + variant + " on " + backend;
        }
    }

    Chosen<K> load(Backend backend) {
        Chosen<K> known = loaded.get(backend);
        if (known == null) {
            loaded.putIfAbsent(backend, new Chosen<>(instance(backend), backend));
            known = loaded.get(backend);
        }
        return Objects.requireNonNull(known);
    }

    private K instance(Backend backend) {
        // concat: the first "+" costs milliseconds, and this is part of the first call
        String name =
                backend.packageName().concat(".").concat(family.getSimpleName().replace(SUFFIX, ""));
        try {
            return family.cast(Class.forName(name).getDeclaredConstructor().newInstance());
        } catch (ReflectiveOperationException e) {
            throw new HeddleException(
                    "kernels " + name + " are missing: the classes were not woven (mvn process-classes does it)", e);
        }
    }

    /** Whether the build wove kernels for a backend at all. */
    static boolean isWoven(Backend backend) {
        return find(backend.packageName() + ".Spmm") != null;
    }

    private static @Nullable Class<?> find(String name) {
        try {
            return Class.forName(name, false, Dispatch.class.getClassLoader());
        } catch (ClassNotFoundException e) {
            return null;
        }
    }
}
