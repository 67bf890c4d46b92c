package dev.heddle.kernel;

/** The elementwise functions that a network puts between its layers. */
public enum Activation {
    /** e^x. */
    EXP,
    /** 1 / (1 + e^-x). */
    SIGMOID,
    /** tanh x. */
    TANH,
    /** ln(1 + e^x). */
    SOFTPLUS,
    /** x sigmoid(x). */
    SILU,
    /** x/2 (1 + erf(x / sqrt 2)). */
    GELU_ERF,
    /** x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))). */
    GELU_TANH,
    /** max(x, 0), with derivative 0 at 0. */
    RELU,
    /** max(x, 0)^2. */
    RELU_SQUARED
}
