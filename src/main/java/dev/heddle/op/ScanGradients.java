package dev.heddle.op;

import static dev.heddle.kernel.ScanKernels.ROW;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.ScanGradKernels;
import dev.heddle.op.ScanBlocks.Run;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The gradients of one {@link ScanRule} that somebody wants, and what makes them of the sums that {@link ScanBackward} leaves. */
abstract class ScanGradients {
    static final Dispatch<ScanGradKernels> KERNELS =
            new Dispatch<>(ScanGradKernels.class, ScanGradProbe.VARIANTS, ScanGradProbe::run);

    /** Steps between two states that the backward keeps. Part of the order of sums over time. */
    static final long STRETCH = 32;

    final @Nullable Tensor b;
    final @Nullable Tensor c;
    final @Nullable Tensor z;
    final @Nullable Tensor h0;

    /** Whether gradients of what two scans share are added to what their tensors hold. */
    final boolean add;

    ScanGradients(@Nullable Tensor b, @Nullable Tensor c, @Nullable Tensor z, @Nullable Tensor h0, boolean add) {
        this.b = b;
        this.c = c;
        this.z = z;
        this.h0 = h0;
        this.add = add;
    }

    /** A tensor for the gradient of an input that is wanted, and there. */
    static @Nullable Tensor zeros(@Nullable Tensor like, boolean wanted) {
        return wanted && like != null ? Tensor.zeros(DType.F32, like.shape().toArray()) : null;
    }

    /**
     * A block's scratch in a stretch.
     *
     * @param rows the stages, {@link #STRETCH} rows each
     * @param sums rows of sums over time, {@link #sumRows} of them
     */
    record Place(long block, long rows, long sums) {
        long dt() {
            return rows;
        }

        long du() {
            return rows + STRETCH * ROW;
        }

        long y() {
            return rows + 2 * STRETCH * ROW;
        }

        /** The gradient of y before the gate. */
        long gy() {
            return rows + 3 * STRETCH * ROW;
        }

        /** Sums over states: of the gradient times B. */
        long s1() {
            return rows + 4 * STRETCH * ROW;
        }

        /** Of the gradient times the decay and what it decays, and times A if decays are not given. */
        long s2() {
            return rows + 5 * STRETCH * ROW;
        }

        /** From a block's scratch to the next's, which do not fall on the same lines of the cache. */
        static final long BYTES = (6 * STRETCH + 1) * ROW;
    }

    /** Rows of sums over time that each block has; the first {@code states} of them are those of A unless decays are given. */
    abstract long sumRows();

    /** Bytes of scratch that a run needs for {@link #finish(int, Run, long, long, long, Places)}. */
    abstract long extra();

    /** Where the blocks of a run are, numbered from 0. */
    interface Places {
        Place at(long k);
    }

    /** Ends a stretch: from {@code s1}, {@code s2} and {@code gy} of each block of a run to the gradients of its inputs. */
    abstract void finish(int s, Run run, long t, long steps, long extra, Places places);

    /** Writes the gradients that have no time: {@code sums} of all parts of the sequences, block by block. */
    abstract void write(long block, long sums);

    /** Writes zeros where there are no channels to sum over. */
    void writeEmpty() {
        if (b != null) {
            b.fill(0);
        }
        if (c != null) {
            c.fill(0);
        }
    }
}
