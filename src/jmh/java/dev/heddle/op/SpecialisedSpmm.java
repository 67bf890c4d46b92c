package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Objects;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * SpMM as one writes it by hand for one message and one reduction: four accumulators, no choice left in the loop. Each pair
 * has a copy of this class for itself, in which both are constants, so that no copy sees what another does.
 */
public interface SpecialisedSpmm {
    void run();

    /** As wide as four vectors. */
    int FEATURES = 4 * FloatVector.SPECIES_PREFERRED.length();

    static SpecialisedSpmm of(Message message, Reduce reduce, CsrGraph graph, Tensor x, Tensor w, Tensor y) {
        String file = Loop.class.getName().replace('.', '/') + ".class";
        try (InputStream in = Loop.class.getClassLoader().getResourceAsStream(file)) {
            MethodHandles.Lookup copy = MethodHandles.lookup()
                    .defineHiddenClassWithClassData(
                            Objects.requireNonNull(in).readAllBytes(), List.of(message, reduce), true);
            return (SpecialisedSpmm) copy.lookupClass()
                    .getDeclaredConstructor(CsrGraph.class, Tensor.class, Tensor.class, Tensor.class)
                    .newInstance(graph, x, w, y);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The class that is copied. */
    final class Loop implements SpecialisedSpmm {
        private static final Message MESSAGE;
        private static final Reduce REDUCE;

        static {
            try {
                MethodHandles.Lookup me = MethodHandles.lookup();
                MESSAGE = MethodHandles.classDataAt(me, "_", Message.class, 0);
                REDUCE = MethodHandles.classDataAt(me, "_", Reduce.class, 1);
            } catch (IllegalAccessException e) {
                throw new ExceptionInInitializerError(e);
            }
        }

        private static final VectorSpecies<Float> S = FloatVector.SPECIES_PREFERRED;
        private static final long STEP = S.vectorByteSize();
        private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
        private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED;

        private final long[] indptr;
        private final int[] indices;
        private final MemorySegment x;
        private final MemorySegment w;
        private final MemorySegment y;

        Loop(CsrGraph graph, Tensor x, Tensor w, Tensor y) {
            indptr = graph.indptr();
            indices = graph.indices();
            this.x = segment(x);
            this.w = segment(w);
            this.y = segment(y);
        }

        @SuppressWarnings("restricted")
        private static MemorySegment segment(Tensor t) {
            return MemorySegment.ofAddress(t.address()).reinterpret(4 * t.size());
        }

        @Override
        public void run() {
            float start = switch (REDUCE) {
                case MAX -> Float.NEGATIVE_INFINITY;
                case MIN -> Float.POSITIVE_INFINITY;
                default -> 0f;
            };
            for (int i = 0; i + 1 < indptr.length; i++) {
                int e = (int) indptr[i];
                int end = (int) indptr[i + 1];
                FloatVector a = FloatVector.broadcast(S, e == end ? 0f : start);
                FloatVector b = a;
                FloatVector c = a;
                FloatVector d = a;
                for (; e < end; e++) {
                    long row = 4L * FEATURES * indices[e];
                    FloatVector u = FloatVector.broadcast(S, MESSAGE == Message.COPY ? 0f : w.get(F32, 4L * e));
                    a = combine(a, FloatVector.fromMemorySegment(S, x, row, LE), u);
                    b = combine(b, FloatVector.fromMemorySegment(S, x, row + STEP, LE), u);
                    c = combine(c, FloatVector.fromMemorySegment(S, x, row + 2 * STEP, LE), u);
                    d = combine(d, FloatVector.fromMemorySegment(S, x, row + 3 * STEP, LE), u);
                }
                float count = Math.max(1, end - indptr[i]);
                long out = 4L * FEATURES * i;
                finish(a, count).intoMemorySegment(y, out, LE);
                finish(b, count).intoMemorySegment(y, out + STEP, LE);
                finish(c, count).intoMemorySegment(y, out + 2 * STEP, LE);
                finish(d, count).intoMemorySegment(y, out + 3 * STEP, LE);
            }
        }

        private static FloatVector combine(FloatVector acc, FloatVector v, FloatVector u) {
            if (MESSAGE == Message.MUL && (REDUCE == Reduce.SUM || REDUCE == Reduce.MEAN)) {
                return v.fma(u, acc);
            }
            FloatVector m = switch (MESSAGE) {
                case COPY -> v;
                case MUL -> v.mul(u);
                case ADD -> v.add(u);
            };
            return switch (REDUCE) {
                case MAX -> acc.blend(m, m.compare(VectorOperators.GT, acc).or(m.compare(VectorOperators.NE, m)));
                case MIN -> acc.blend(m, m.compare(VectorOperators.LT, acc).or(m.compare(VectorOperators.NE, m)));
                default -> acc.add(m);
            };
        }

        private static FloatVector finish(FloatVector acc, float count) {
            return REDUCE == Reduce.MEAN ? acc.div(count) : acc;
        }
    }
}
