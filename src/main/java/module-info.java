/** Numeric kernels for graphs and sequences on the Vector API. */
module dev.heddle {
    requires static jdk.incubator.vector;

    exports dev.heddle;
}
