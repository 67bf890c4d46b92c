package dev.heddle.kernel;

import dev.heddle.HeddleException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.invoke.MethodHandles;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.AtomicReferenceArray;
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
    private static final int DONE = 2;

    private final Class<K> family;
    private final Probe<K> probe;
    private final AtomicIntegerArray states;

    /** By slot, the kernels that are compiled: often those of the named class, which may be a copy's instead. */
    private final AtomicReferenceArray<Chosen<K>> hot;

    private final ConcurrentHashMap<Backend, Chosen<K>> loaded = new ConcurrentHashMap<>();

    /** @param variants how many variants the family has, numbered from 0; each is compiled, and so warmed, by itself */
    public Dispatch(Class<K> family, int variants, Probe<K> probe) {
        this.family = family;
        this.probe = probe;
        this.states = new AtomicIntegerArray(variants * 4);
        this.hot = new AtomicReferenceArray<>(variants * 4);
    }

    /**
     * The kernels for a call of one variant on rows of {@code columns} independent outputs: the widest that is not wider
     * than a row, if it is compiled, else the scalar twin.
     */
    public Chosen<K> choose(int variant, long columns) {
        Backend backend = Backends.current();
        int lanes = lanes(columns);
        Backend fitting = backend.withLanes(lanes);
        if (lanes == 1 || Backends.isForced()) {
            return load(fitting);
        }
        Chosen<K> compiled = compiled(variant, fitting);
        return compiled != null ? compiled : load(backend.withLanes(1));
    }

    /** How many lanes serve rows of {@code columns} once compiled: those of the widest backend not wider than a row. */
    public int lanes(long columns) {
        int lanes = Backends.current().lanes();
        while (lanes > 1 && lanes > columns) {
            lanes = lanes == 4 ? 1 : lanes / 2;
        }
        return lanes;
    }

    private @Nullable Chosen<K> compiled(int variant, Backend backend) {
        int slot = slot(variant, backend);
        if (states.get(slot) == COLD && states.compareAndSet(slot, COLD, WARMING)) {
            WarmUp.request(new Warming<>(this, variant, backend));
        }
        return hot.get(slot);
    }

    private static int slot(int variant, Backend backend) {
        return variant * 4 + Integer.numberOfTrailingZeros(backend.lanes() / 2);
    }

    /** One variant on its way to being compiled. */
    static final class Warming<K> {
        private final Dispatch<K> dispatch;
        private final int variant;
        private final Backend backend;
        private Chosen<K> vector;

        Warming(Dispatch<K> dispatch, int variant, Backend backend) {
            this.dispatch = dispatch;
            this.variant = variant;
            this.backend = backend;
            vector = dispatch.load(backend);
        }

        long probe(long scratch) {
            return probe(vector, scratch);
        }

        long probeTwin(long scratch) {
            return probe(dispatch.load(backend.withLanes(1)), scratch);
        }

        private long probe(Chosen<K> on, long scratch) {
            return dispatch.probe.run(on.kernels(), on.lanes(), variant, scratch);
        }

        /** Starts again with a copy of the class, of which HotSpot knows nothing. */
        void renew() {
            vector = new Chosen<>(dispatch.copy(backend), backend);
        }

        void done(boolean compiled) {
            int slot = slot(variant, backend);
            if (compiled) {
                dispatch.hot.set(slot, vector);
            }
            dispatch.states.set(slot, DONE);
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

    private K copy(Backend backend) {
        Class<?> original = load(backend).kernels().getClass();
        try (InputStream in = original.getResourceAsStream(original.getSimpleName() + ".class")) {
            byte[] bytes = Objects.requireNonNull(in).readAllBytes();
            MethodHandles.Lookup copy = MethodHandles.privateLookupIn(original, MethodHandles.lookup())
                    .defineHiddenClass(bytes, true);
            return family.cast(copy.lookupClass().getDeclaredConstructor().newInstance());
        } catch (IOException | ReflectiveOperationException e) {
            throw new HeddleException("cannot copy " + original, e);
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
