package dev.heddle.op;

import dev.heddle.graph.CsrGraph;
import dev.heddle.graph.RowSplit;
import dev.heddle.kernel.Dispatch;
import dev.heddle.kernel.PnaKernels;
import dev.heddle.kernel.SpmmKernels;
import dev.heddle.parallel.Team;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Use;
import dev.heddle.tensor.Workspace;
import java.util.List;

/**
 * Principal neighbourhood aggregation: several aggregations of the sources of each node, each of them times several functions of
 * its degree. {@code y_i} has, for each scaler and then for each aggregator in the order of their lists, {@code F} numbers: {@code
 * scaler(deg_i) * aggregator over the edges into i of x_j}.
 *
 * <ul>
 *   <li>{@code x} is float32 {@code [nSrc, F]}, {@code y} is {@code [nDst, S * A * F]}. Views must have contiguous rows; y may not overlap x.
 *   <li>STD is the square root of the variance about the mean where that is above 1e-5, else 0.
 *   <li>With d the degree and {@code c = max(d, 1)}: IDENTITY 1, AMPLIFICATION {@code log(d + 1) / avgDegLog}, ATTENUATION {@code
 *       avgDegLog / log(c + 1)}, LINEAR {@code d / avgDegLin}, INVERSE_LINEAR {@code avgDegLin / c}.
 * </ul>
 *
 * <p>A node without edges gives 0. Maxima and minima keep NaN. Sum, maximum and minimum take one pass over the edges, the
 * variance a second one over sources that are in the cache then. Sums go in CSR order; rows with more than 8192 edges are cut into
 * parts that are folded in order.
 *
 * <p>Gradient: that of each aggregator as in {@link Spmm}; of STD {@code (x_j - mean_i) / (deg_i std_i)} where it is not 0. With NaN
 * those of MAX and MIN are unspecified.
 *
 * <p>After PyG {@code DegreeScalerAggregation}.
 */
public final class Pna {
    /** What is made of the sources of a node. */
    public enum Aggregator {
        MEAN(PnaKernels.MEAN),
        MAX(PnaKernels.MAX),
        MIN(PnaKernels.MIN),
        SUM(PnaKernels.SUM),
        /** The standard deviation. */
        STD(PnaKernels.STD);

        private final int kind;

        Aggregator(int kind) {
            this.kind = kind;
        }
    }

    /** What it is multiplied by. */
    public enum Scaler {
        IDENTITY,
        AMPLIFICATION,
        ATTENUATION,
        LINEAR,
        INVERSE_LINEAR
    }

    /** What is kept of a part of a row, in the order of {@link PnaKernels#FOLDED_SUM} and so on; squares come in a second pass. */
    private static final long[] PARTS = {PnaKernels.SUM, PnaKernels.MAX, PnaKernels.MIN, PnaKernels.STD};

    private final List<Aggregator> aggregators;
    private final List<Scaler> scalers;
    private final double degreeLog;
    private final double degreeLinear;

    private Pna(List<Aggregator> aggregators, List<Scaler> scalers, double degreeLog, double degreeLinear) {
        this.aggregators = aggregators;
        this.scalers = scalers;
        this.degreeLog = degreeLog;
        this.degreeLinear = degreeLinear;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: mean, max, min and std, unscaled; average degrees of 1. */
    public static final class Builder {
        private List<Aggregator> aggregators = List.of(Aggregator.MEAN, Aggregator.MAX, Aggregator.MIN, Aggregator.STD);
        private List<Scaler> scalers = List.of(Scaler.IDENTITY);
        private double degreeLog = 1;
        private double degreeLinear = 1;

        private Builder() {}

        /** What is made of a node's sources, at least one. */
        public Builder aggregators(Aggregator... aggregators) {
            this.aggregators = List.of(aggregators);
            return this;
        }

        /** What each of these is multiplied by, at least one. */
        public Builder scalers(Scaler... scalers) {
            this.scalers = List.of(scalers);
            return this;
        }

        /** The averages over the training graphs of {@code log(deg + 1)} and of the degree. */
        public Builder averageDegrees(double logarithm, double linear) {
            this.degreeLog = logarithm;
            this.degreeLinear = linear;
            return this;
        }

        public Pna build() {
            if (aggregators.isEmpty() || scalers.isEmpty()) {
                throw new IllegalArgumentException("aggregators, scalers: there must be at least one of each");
            }
            return new Pna(aggregators, scalers, degreeLog, degreeLinear);
        }
    }

    /** Computes y. */
    public Tensor forward(CsrGraph graph, Tensor x) {
        check(graph, x);
        Tensor y = Tensor.zeros(DType.F32, graph.nDst(), width(x));
        run(graph, x, y);
        return y;
    }

    /** Computes into {@code y}. */
    public void forward(CsrGraph graph, Tensor x, Tensor y) {
        check(graph, x);
        Checks.shape("y", y, DType.F32, graph.nDst(), width(x));
        Checks.wholeRows("y", y);
        Checks.apart("y", y, "x", x);
        run(graph, x, y);
    }

    /** The gradient of x. */
    public Tensor backward(CsrGraph graph, Tensor x, Tensor gradY) {
        check(graph, x);
        Checks.shape("gradY", gradY, DType.F32, graph.nDst(), width(x));
        Checks.wholeRows("gradY", gradY);
        Tensor gradX = Tensor.zeros(DType.F32, x.shape().toArray());
        runBackward(graph, x, gradY, gradX);
        return gradX;
    }

    private static void check(CsrGraph graph, Tensor x) {
        Checks.type("x", x, DType.F32);
        if (x.rank() != 2 || x.dim(0) != graph.nSrc()) {
            throw new IllegalArgumentException(
                    "x: shape " + x.shape() + ", must be [nSrc, F] with nSrc = " + graph.nSrc());
        }
        Checks.wholeRows("x", x);
        Spmm.requireNarrow(graph, "PNA");
    }

    private long width(Tensor x) {
        return scalers.size() * (long) aggregators.size() * x.dim(1);
    }

    private static long stride(Tensor t) {
        return 4 * t.stride(0);
    }

    // ------------------------------------------------------------------ forward

    private void run(CsrGraph graph, Tensor x, Tensor y) {
        if (y.size() == 0) {
            return;
        }
        boolean std = aggregators.contains(Aggregator.STD);
        long columns = x.dim(1);
        Dispatch<PnaKernels> all = PnaProbe.KERNELS;
        Dispatch.Chosen<PnaKernels> chosen =
                all.choose(PnaProbe.aggregate(std, tile(columns, all.lanes(columns))), columns);
        int tile = tile(columns, chosen.lanes());
        try (Use _ = Use.of(x, y);
                Use _ = graph.use();
                Workspace workspace = new Workspace()) {
            long[] kinds = aggregators.stream().mapToLong(a -> a.kind).toArray();
            Tensor list = workspace.zeros(DType.I64, kinds.length).copyFrom(Tensor.of(kinds));
            long kindsAt = list.address();
            long factors = factors(graph, workspace).address();
            long xa = x.address();
            long ya = y.address();
            RowSplit split = graph.rowSplit();
            RowGroups.runOrdinary(
                    split,
                    nanos(graph, columns),
                    PnaKernels.SCRATCH,
                    workspace,
                    (row, end, scratch) -> chosen.kernels()
                            .aggregate(
                                    std,
                                    tile,
                                    graph.indptrAddress(),
                                    graph.indicesAddress(),
                                    xa,
                                    stride(x),
                                    ya,
                                    stride(y),
                                    kindsAt,
                                    kinds.length,
                                    factors,
                                    scalers.size(),
                                    columns,
                                    scratch,
                                    row,
                                    end));
            for (int h = 0; h < split.hubs(); h++) {
                RowSplit.Hub hub = split.hub(h);
                long folded = hub(graph, x, hub, std, workspace);
                Dispatch.Chosen<PnaKernels> finish = all.choose(PnaProbe.FINISH, columns);
                finish.kernels()
                        .finish(
                                folded,
                                (float) hub.edges(),
                                kindsAt,
                                kinds.length,
                                factors + 4L * scalers.size() * hub.row(),
                                scalers.size(),
                                ya + stride(y) * hub.row(),
                                columns,
                                workspace.empty(DType.U8, PnaKernels.SCRATCH).address());
            }
        }
    }

    /** Sum, maximum, minimum and, if it is wanted, the sum of squares about the mean of a row, of parts that are folded in order. */
    private static long hub(CsrGraph graph, Tensor x, RowSplit.Hub hub, boolean std, Workspace workspace) {
        long columns = x.dim(1);
        long part =
                workspace.empty(DType.F32, hub.parts(), PARTS.length, columns).address();
        long bytes = 4L * PARTS.length * columns;
        long folded = workspace.zeros(DType.F32, PARTS.length, columns).address();
        long scratch =
                workspace.empty(DType.U8, hub.parts(), PnaKernels.SCRATCH).address();
        long list = workspace
                .zeros(DType.I64, PARTS.length)
                .copyFrom(Tensor.of(PARTS))
                .address();
        long one = workspace.empty(DType.F32, hub.parts()).fill(1).address();
        long xa = x.address();
        double nanos = 2 * RowSweep.NANOS * hub.edges() * columns;
        Dispatch<PnaKernels> all = PnaProbe.KERNELS;
        Dispatch.Chosen<PnaKernels> k =
                all.choose(PnaProbe.aggregate(false, tile(columns, all.lanes(columns))), columns);
        Team.run(
                hub.parts(),
                nanos,
                p -> k.kernels()
                        .aggregate(
                                false,
                                tile(columns, k.lanes()),
                                hub.bounds(),
                                graph.indicesAddress(),
                                xa,
                                stride(x),
                                part,
                                bytes,
                                list,
                                PARTS.length - 1,
                                one,
                                1,
                                columns,
                                scratch + (long) PnaKernels.SCRATCH * p,
                                p,
                                p + 1L));
        fold(SpmmKernels.Reduce.SUM, PnaKernels.FOLDED_SUM, part, hub, folded, columns);
        fold(SpmmKernels.Reduce.MAX, PnaKernels.FOLDED_MAX, part, hub, folded, columns);
        fold(SpmmKernels.Reduce.MIN, PnaKernels.FOLDED_MIN, part, hub, folded, columns);
        if (std) {
            Dispatch.Chosen<PnaKernels> squares =
                    all.choose(PnaProbe.squares(tile(columns, all.lanes(columns))), columns);
            Team.run(
                    hub.parts(),
                    nanos,
                    p -> squares.kernels()
                            .squares(
                                    tile(columns, squares.lanes()),
                                    hub.bounds(),
                                    graph.indicesAddress(),
                                    xa,
                                    stride(x),
                                    folded + PnaKernels.FOLDED_SUM * columns,
                                    (float) hub.edges(),
                                    part + PnaKernels.FOLDED_SQUARES * columns,
                                    bytes,
                                    columns,
                                    p,
                                    p + 1L));
            fold(SpmmKernels.Reduce.SUM, PnaKernels.FOLDED_SQUARES, part, hub, folded, columns);
        }
        return folded;
    }

    private static void fold(
            SpmmKernels.Reduce reduce, int at, long part, RowSplit.Hub hub, long folded, long columns) {
        long stride = 4L * PARTS.length * columns;
        SpmmForward.fold(reduce, part + at * columns, stride, hub, folded + at * columns, columns);
    }

    private static double nanos(CsrGraph graph, long columns) {
        return 2 * RowSweep.NANOS * graph.nnz() * columns;
    }

    /** The widest tile that a row is made of. */
    private static int tile(long columns, int lanes) {
        long vectors = (columns + lanes - 1) / lanes;
        if (vectors % 4 == 0) {
            return 4;
        }
        return vectors % 2 == 0 && lanes > 1 ? 2 : 1;
    }

    /** What each scaler multiplies each node by. */
    private Tensor factors(CsrGraph graph, Workspace workspace) {
        int n = scalers.size();
        Tensor factors = workspace.zeros(DType.F32, graph.nDst(), n);
        for (int s = 0; s < n; s++) {
            for (long i = 0; i < graph.nDst(); i++) {
                factors.setFloat(factor(scalers.get(s), graph.degree(i)), i, s);
            }
        }
        return factors;
    }

    private float factor(Scaler scaler, long degree) {
        long atLeastOne = Math.max(degree, 1);
        return (float)
                switch (scaler) {
                    case IDENTITY -> 1;
                    case AMPLIFICATION -> StrictMath.log(degree + 1.0) / degreeLog;
                    case ATTENUATION -> degreeLog / StrictMath.log(atLeastOne + 1.0);
                    case LINEAR -> degree / degreeLinear;
                    case INVERSE_LINEAR -> degreeLinear / atLeastOne;
                };
    }

    // ------------------------------------------------------------------ backward

    private void runBackward(CsrGraph graph, Tensor x, Tensor gradY, Tensor gradX) {
        long columns = x.dim(1);
        if (gradX.size() == 0 || gradY.size() == 0) {
            return;
        }
        PnaKernels k = PnaProbe.KERNELS.choose(PnaProbe.COLLECT, columns).kernels();
        RowSplit split = graph.rowSplit();
        try (Use _ = Use.of(x, gradY);
                Workspace workspace = new Workspace()) {
            long factors = factors(graph, workspace).address();
            Tensor g = workspace.zeros(DType.F32, graph.nDst(), columns);
            long to = g.address();
            for (int a = 0; a < aggregators.size(); a++) {
                long from = gradY.address() + 4 * columns * a;
                long step = 4 * columns * aggregators.size();
                Team.run(
                        split.pieces(),
                        RowSweep.NANOS * gradY.size(),
                        p -> k.collect(
                                from,
                                stride(gradY),
                                step,
                                factors,
                                scalers.size(),
                                to,
                                4 * columns,
                                columns,
                                split.firstRow(p),
                                split.endRow(p)));
                boolean add = a > 0;
                switch (aggregators.get(a)) {
                    case MEAN -> spmm(Reduce.MEAN, graph, x, g, gradX, add);
                    case SUM -> spmm(Reduce.SUM, graph, x, g, gradX, add);
                    case MAX -> spmm(Reduce.MAX, graph, x, g, gradX, add);
                    case MIN -> spmm(Reduce.MIN, graph, x, g, gradX, add);
                    case STD -> {
                        try (Workspace scratch = new Workspace()) {
                            Accumulate.into(gradX, add, scratch, gx -> std(graph, x, g, gx, scratch));
                        }
                    }
                }
            }
        }
    }

    private static void spmm(Reduce reduce, CsrGraph graph, Tensor x, Tensor g, Tensor gradX, boolean add) {
        try (Workspace scratch = new Workspace()) {
            Spmm.builder().reduce(reduce).build().backward(graph, x, null, g, null, gradX, null, add, scratch);
        }
    }

    private static void std(CsrGraph graph, Tensor x, Tensor g, Tensor gradX, Workspace workspace) {
        long columns = x.dim(1);
        CsrGraph.Transpose transpose = graph.transpose();
        Tensor mean = workspace.empty(DType.F32, graph.nDst(), columns);
        Tensor scale = workspace.empty(DType.F32, graph.nDst(), columns);
        PnaKernels rows = PnaProbe.KERNELS.choose(PnaProbe.DEVIATIONS, columns).kernels();
        PnaKernels sources = PnaProbe.KERNELS.choose(PnaProbe.STD_GRAD, columns).kernels();
        try (Use _ = graph.use();
                Use _ = transpose.use()) {
            long xa = x.address();
            long ga = g.address();
            long ma = mean.address();
            long sa = scale.address();
            long out = gradX.address();
            RowSplit split = graph.rowSplit();
            Team.run(
                    split.pieces(),
                    nanos(graph, columns),
                    p -> rows.deviations(
                            graph.indptrAddress(),
                            graph.indicesAddress(),
                            xa,
                            stride(x),
                            ga,
                            4 * columns,
                            ma,
                            sa,
                            columns,
                            split.firstRow(p),
                            split.endRow(p)));
            CsrGraph back = transpose.graph();
            RowSplit turned = back.rowSplit();
            Team.run(
                    turned.pieces(),
                    nanos(graph, columns),
                    p -> sources.stdGrad(
                            back.indptrAddress(),
                            back.indicesAddress(),
                            xa,
                            stride(x),
                            ma,
                            sa,
                            4 * columns,
                            out,
                            4 * columns,
                            columns,
                            turned.firstRow(p),
                            turned.endRow(p)));
        }
    }

    /** The lists. */
    @Override
    public String toString() {
        return "PNA of " + aggregators + ", scaled by " + scalers;
    }
}
