package dev.heddle.op;

import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.NormKernels;
import dev.heddle.kernel.NormKernels.Form;
import dev.heddle.op.Gemm.Matrix;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import org.jspecify.annotations.Nullable;

/** What the normalising operators have in common: groups of neighbouring columns, each normalised by itself. */
record Norm(Form form, float eps) {
    private static final int FORMS = Form.values().length;
    private static final Dispatch<NormKernels> KERNELS = new Dispatch<>(NormKernels.class, 2 * FORMS, Norm::probe);

    private static final double NANOS = 0.4;
    private static final double BACKWARD_NANOS = 1.2;

    /** At least so many rows, and no more than so many blocks, have partial sums of the parameters' gradients. */
    private static final long BLOCK_ROWS = 16;

    private static final long BLOCKS = 256;

    /** Weight and bias as the kernels want them: whole blocks for each group, none absent. */
    private record Parameters(Tensor weight, Tensor bias, long stride) {}

    void forward(
            Tensor x,
            @Nullable Tensor z,
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            Tensor y,
            long groups,
            Workspace scratch) {
        long columns = x.dim(-1);
        long length = groups == 0 ? 0 : columns / groups;
        Parameters p = parameters(weight, bias, length, groups, scratch);
        try (Use _ = Use.of(x, z, p.weight, p.bias, y)) {
            long xa = x.address();
            long xs = Checks.rowBytes("x", x);
            long za = z == null ? 0 : z.address();
            long zs = z == null ? 0 : Checks.rowBytes("z", z);
            long ya = y.address();
            long ys = Checks.rowBytes("y", y);
            long w = p.weight.address();
            long b = p.bias.address();
            NormKernels k = KERNELS.choose(variant(), Long.MAX_VALUE).kernels();
            Rows.run(
                    Checks.rows(x),
                    columns,
                    NANOS,
                    NormKernels.FORWARD_SCRATCH,
                    scratch,
                    (r, n, s) -> k.forward(
                            form,
                            xa + r * xs,
                            xs,
                            za + r * zs,
                            zs,
                            w,
                            b,
                            p.stride,
                            ya + r * ys,
                            ys,
                            length,
                            groups,
                            eps,
                            s,
                            n));
        }
    }

    /** Gradients that are null are not wanted; those of weight and bias are sums over blocks of rows, folded in order. */
    void backward(
            Tensor x,
            @Nullable Tensor z,
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            Tensor gradY,
            @Nullable Tensor gradX,
            @Nullable Tensor gradZ,
            @Nullable Tensor gradWeight,
            @Nullable Tensor gradBias,
            long groups,
            boolean accumulate,
            Workspace scratch) {
        if (accumulate && (gradX != null || gradZ != null)) {
            Tensor gx =
                    gradX == null ? null : scratch.empty(DType.F32, x.shape().toArray());
            Tensor gz =
                    gradZ == null ? null : scratch.empty(DType.F32, x.shape().toArray());
            run(x, z, weight, bias, gradY, gx, gz, gradWeight, gradBias, groups, true, scratch);
            add(gx, gradX);
            add(gz, gradZ);
        } else {
            run(x, z, weight, bias, gradY, gradX, gradZ, gradWeight, gradBias, groups, accumulate, scratch);
        }
    }

    private static void add(@Nullable Tensor own, @Nullable Tensor to) {
        if (own != null && to != null) {
            Arithmetic.ADD.forward(to, own, to);
        }
    }

    private void run(
            Tensor x,
            @Nullable Tensor z,
            @Nullable Tensor weight,
            @Nullable Tensor bias,
            Tensor gradY,
            @Nullable Tensor gradX,
            @Nullable Tensor gradZ,
            @Nullable Tensor gradWeight,
            @Nullable Tensor gradBias,
            long groups,
            boolean accumulate,
            Workspace scratch) {
        long columns = x.dim(-1);
        long length = groups == 0 ? 0 : columns / groups;
        long rows = Checks.rows(x);
        Parameters p = parameters(weight, bias, length, groups, scratch);
        long step = Math.max(BLOCK_ROWS, (rows + BLOCKS - 1) / BLOCKS);
        long blocks = (rows + step - 1) / step;
        long pitch = groups * NormKernels.rowBytes(length);
        Tensor sums = scratch.zeros(DType.F32, 2, blocks, pitch / 4);
        try (Use _ = Use.of(x, z, p.weight, p.bias, gradY, gradX, gradZ, gradWeight, gradBias, sums)) {
            long xa = x.address();
            long xs = Checks.rowBytes("x", x);
            long za = z == null ? 0 : z.address();
            long zs = z == null ? 0 : Checks.rowBytes("z", z);
            long ga = gradY.address();
            long gs = Checks.rowBytes("gradY", gradY);
            long gxs = gradX == null ? 0 : Checks.rowBytes("gradX", gradX);
            long gzs = gradZ == null ? 0 : Checks.rowBytes("gradZ", gradZ);
            long w = p.weight.address();
            long b = p.bias.address();
            long sumsW = sums.address();
            long sumsB = sumsW + blocks * pitch;
            long own = NormKernels.backwardScratch(length);
            NormKernels k = KERNELS.choose(FORMS + variant(), Long.MAX_VALUE).kernels();
            Rows.runBy(
                    rows,
                    step,
                    BACKWARD_NANOS * columns,
                    own + 4 * columns,
                    scratch,
                    (r, n, s) -> k.backward(
                            form,
                            xa + r * xs,
                            xs,
                            za + r * zs,
                            zs,
                            w,
                            b,
                            p.stride,
                            ga + r * gs,
                            gs,
                            gradX == null ? s + own : gradX.address() + r * gxs,
                            gxs,
                            gradZ == null ? s + own : gradZ.address() + r * gzs,
                            gzs,
                            sumsW + r / step * pitch,
                            sumsB + r / step * pitch,
                            length,
                            groups,
                            eps,
                            s,
                            n));
            fold(sumsW, blocks, pitch, length, groups, gradWeight, accumulate, scratch);
            fold(sumsB, blocks, pitch, length, groups, gradBias, accumulate, scratch);
        }
    }

    private static void fold(
            long sums,
            long blocks,
            long pitch,
            long length,
            long groups,
            @Nullable Tensor out,
            boolean accumulate,
            Workspace scratch) {
        if (out != null) {
            boolean whole = length % 64 == 0;
            long parts = whole ? 1 : groups;
            long n = whole ? length * groups : length;
            for (long g = 0; g < parts; g++) {
                Matrix part = new Matrix(sums + g * NormKernels.rowBytes(length), pitch, 4);
                ColumnSum.run(blocks, n, part, out.address() + 4 * g * length, accumulate, scratch);
            }
        }
    }

    private static Parameters parameters(
            @Nullable Tensor weight, @Nullable Tensor bias, long length, long groups, Workspace scratch) {
        boolean given = weight != null || bias != null;
        long padded = NormKernels.rowBytes(length) / 4;
        long rows = given ? groups : 1;
        return new Parameters(
                padded(weight, 1, rows, length, padded, scratch),
                padded(bias, 0, rows, length, padded, scratch),
                given ? 4 * padded : 0);
    }

    private static Tensor padded(
            @Nullable Tensor t, float absent, long rows, long length, long padded, Workspace scratch) {
        if (t != null && length == padded) {
            return t;
        }
        Tensor p = scratch.zeros(DType.F32, rows, padded);
        if (t == null) {
            p.fill(absent);
        } else {
            p.slice(1, 0, length).copyFrom(t.reshape(rows, length));
        }
        return p;
    }

    static void checkParameter(String name, @Nullable Tensor t, long columns) {
        if (t != null) {
            Checks.shape(name, t, DType.F32, columns);
            Checks.contiguous(name, t);
        }
    }

    private int variant() {
        return form.ordinal();
    }

    private static long probe(NormKernels k, int lanes, int variant, long scratch) {
        long elements = 0;
        for (int columns : Rows.PROBE_WIDTHS) {
            elements += probeRows(k, variant, columns, scratch);
        }
        return elements;
    }

    private static long probeRows(NormKernels k, int variant, long columns, long scratch) {
        long rows = 2;
        long pitch = 4 * columns;
        Form form = Form.values()[variant % FORMS];
        long x = scratch + NormKernels.backwardScratch(columns);
        long y = x + rows * pitch;
        if (variant < FORMS) {
            k.forward(form, x, pitch, x, pitch, x, x, 0, y, pitch, columns, 1, 1e-5f, scratch, rows);
        } else {
            long z = y + rows * pitch;
            long w = z + rows * pitch;
            k.backward(
                    form, x, pitch, x, pitch, x, x, 0, x, pitch, y, pitch, z, pitch, w, w, columns, 1, 1e-5f, scratch,
                    rows);
        }
        return rows * columns;
    }
}
