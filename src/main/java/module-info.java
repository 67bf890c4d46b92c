import org.jspecify.annotations.NullMarked;

/** Numeric kernels for graphs and sequences on the Vector API. */
@NullMarked
module dev.heddle {
    requires jdk.management;
    requires static com.fasterxml.jackson.core;
    requires static de.siegmar.fastcsv;
    requires static info.picocli;
    requires static jdk.incubator.vector;
    requires static me.tongfei.progressbar;
    requires static transitive org.jspecify;

    exports dev.heddle;
    exports dev.heddle.graph;
    exports dev.heddle.io;
    exports dev.heddle.models;
    exports dev.heddle.nn;
    exports dev.heddle.op;
    exports dev.heddle.optim;
    exports dev.heddle.tensor;

    opens dev.heddle.cli to
            info.picocli;
}
