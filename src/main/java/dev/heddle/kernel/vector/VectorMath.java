package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.V.all;
import static jdk.incubator.vector.VectorOperators.ASHR;
import static jdk.incubator.vector.VectorOperators.EQ;
import static jdk.incubator.vector.VectorOperators.GT;
import static jdk.incubator.vector.VectorOperators.LE;
import static jdk.incubator.vector.VectorOperators.LSHL;
import static jdk.incubator.vector.VectorOperators.LT;
import static jdk.incubator.vector.VectorOperators.NE;
import static jdk.incubator.vector.VectorOperators.XOR;

import dev.heddle.weave.Inline;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorMask;

/**
 * Elementary functions, the same bits in every lane of every backend: made of fma, +, -, *, /, sqrt, comparisons and integer
 * operations only, so each step is exactly rounded.
 *
 * <p>Accuracy is the largest error over all 2<sup>32</sup> arguments, found by trying them, in ulp: spacings of floats at the
 * exact result. Unless said otherwise NaN gives NaN, a result too large for a float is infinite, and one below the smallest
 * normal number 2<sup>-126</sup> is 0 or wrong by less than 2<sup>-126</sup>.
 *
 * <p>Three devices recur. Adding {@link #MAGIC} rounds to an integer n, which then stands in the low bits of the sum. Adding
 * {@link #BIASED} leaves n + 127 there, which makes 2<sup>n</sup> when shifted into the exponent, and 0 of n = -127. And what
 * holds beyond a limit is blended in at the end, off the chain of dependent operations: the length of that chain, more than
 * the number of operations, is what a function costs. For the same reason polynomials take their terms in pairs. They are
 * minimax fits whose coefficients were rounded one after the other, the lowest power first, and the rest fitted anew.
 */
@Inline
final class VectorMath {
    private VectorMath() {}

    private static final float INFINITY = Float.POSITIVE_INFINITY;
    private static final int SIGN = 0x8000_0000;

    private static final float MAGIC = 0x1.8p23f;
    private static final int MAGIC_BITS = 0x4B40_0000;
    private static final float BIASED = MAGIC + 127;

    private static final float LOG2_E = 0x1.715476p0f;

    /** ln 2 in two parts: subtracting a multiple of the first from a number near it is exact. */
    private static final float LN2_HIGH = 0x1.62e42ep-1f;

    private static final float LN2_LOW = 0x1.efa39ep-25f;

    /** The largest x whose e^x is finite, and the smallest whose e^x is normal. */
    private static final float EXP_MAX = 0x1.62e42ep6f;

    private static final float EXP_MIN = -0x1.5d589ep6f;

    /** From here on e^-x counts for 0: n = -127. */
    private static final float VANISHING = 88;

    /** From here on e^-x is lost beside 1. */
    private static final float NEGLIGIBLE = 40;

    // Exponentials

    /** e<sup>x</sup>, 1.05 ulp. 0 where the result is subnormal. */
    static FloatVector exp(FloatVector x) {
        FloatVector t = x.fma(LOG2_E, MAGIC);
        FloatVector e = addToExponent(expm1NearZero(minusLn2(x, t.sub(MAGIC))).add(1f), t);
        e = x.add(INFINITY).blend(e, x.compare(LE, EXP_MAX));
        return e.blend(0f, x.compare(LT, EXP_MIN));
    }

    /** e<sup>x</sup> for x &lt;= 0, 1.05 ulp: cheaper. Exactly 0 from -88 down to -infinity. */
    static FloatVector expNonPositive(FloatVector x) {
        return expAboveVanishing(x).blend(0f, x.compare(LT, -VANISHING));
    }

    /** 2<sup>x</sup>, 1.01 ulp. 0 where the result is subnormal. */
    static FloatVector exp2(FloatVector x) {
        FloatVector t = x.add(MAGIC);
        FloatVector r = x.sub(t.sub(MAGIC));
        FloatVector z = r.mul(r);
        FloatVector p = z.fma(all(0x1.416b5ep-13f), r.fma(0x1.5f082ep-10f, 0x1.3b2dep-7f));
        p = p.fma(z, r.fma(0x1.c6af7cp-5f, 0x1.ebfbdcp-3f));
        p = p.fma(z, r.fma(0x1.62e43p-1f, 1f));
        FloatVector e = x.add(INFINITY).blend(addToExponent(p, t), x.compare(LT, 128f));
        return e.blend(0f, x.compare(LT, -126f));
    }

    /** 2<sup>x</sup>, 2.0 ulp: cheaper, for decays. Infinity from 127.5 on, exactly 0 from -127 down to -infinity. */
    static FloatVector exp2Fast(FloatVector x) {
        FloatVector t = upTo(255, x.add(BIASED));
        FloatVector r = x.sub(t.sub(BIASED));
        FloatVector z = r.mul(r);
        FloatVector p = r.fma(0x1.5bda4p-10f, 0x1.3ce8acp-7f);
        p = p.fma(z, r.fma(0x1.c6b6d8p-5f, 0x1.ebf9c2p-3f));
        p = p.fma(z, r.fma(0x1.62e42ap-1f, 1f));
        return p.mul(power(t)).blend(0f, x.compare(LT, -127f));
    }

    /** e<sup>x</sup> - 1, 1.56 ulp. */
    static FloatVector expm1(FloatVector x) {
        float half = BIASED - 1; // half of everything: 2^128 is no float
        FloatVector u = V.max(V.min(x, all(89f)), all(-NEGLIGIBLE));
        FloatVector t = u.fma(LOG2_E, half);
        FloatVector k = t.sub(half);
        FloatVector q = expm1NearZero(minusLn2(u, k));
        FloatVector s = power(t);
        FloatVector e = s.fma(q, s.sub(0.5f));
        return withSign(e.add(e).blend(q, k.compare(EQ, 0f)), x);
    }

    // Logarithms

    /** ln x, 0.84 ulp. -infinity for 0, NaN for negative numbers; subnormal arguments are as good as others. */
    static FloatVector log(FloatVector x) {
        VectorMask<Float> tiny = x.compare(LT, Float.MIN_NORMAL);
        IntVector bits = x.blend(x.mul(0x1p24f), tiny).reinterpretAsInts();
        IntVector n = exponent(bits);
        FloatVector k = n.add(MAGIC_BITS).reinterpretAsFloats().sub(all(MAGIC).blend(MAGIC + 24, tiny));
        return logOrSpecial(k, mantissa(bits, n).sub(1f), x, x);
    }

    /** ln(1 + x), 1.44 ulp. -infinity for -1, NaN below. */
    static FloatVector log1p(FloatVector x) {
        FloatVector u = x.add(1f);
        FloatVector lost = x.sub(u.sub(1f)).blend(all(1f).sub(u.sub(x)), x.compare(GT, 1f));
        IntVector bits = u.reinterpretAsInts();
        IntVector n = exponent(bits);
        FloatVector k = n.add(MAGIC_BITS).reinterpretAsFloats().sub(MAGIC);
        FloatVector s = all(0x3F80_0000).sub(n.lanewise(LSHL, 23)).max(0).reinterpretAsFloats(); // 2^-n
        return logOrSpecial(k, lost.fma(s, mantissa(bits, n).sub(1f)), u, x);
    }

    // Sigmoid and its relatives

    /** 1 / (1 + e<sup>-x</sup>), 2.6 ulp. */
    static FloatVector sigmoid(FloatVector x) {
        return all(1f).div(onePlusExp(x.neg())).blend(1f, x.compare(GT, NEGLIGIBLE));
    }

    /** sigmoid(x) sigmoid(-x), 4.1 ulp. */
    static FloatVector sigmoidDerivative(FloatVector x) {
        FloatVector b = minusAbs(x);
        FloatVector e = expAboveVanishing(b);
        FloatVector d = e.add(1f);
        return e.div(d.mul(d)).blend(0f, b.compare(LT, -VANISHING));
    }

    /** max(x, 0) + ln(1 + e<sup>-|x|</sup>), 2.4 ulp. Its derivative is {@link #sigmoid}. */
    static FloatVector softplus(FloatVector x) {
        IntVector b = minusAbs(x).reinterpretAsInts().min(Float.floatToRawIntBits(-VANISHING)); // NaN is lost here,
        FloatVector m = relu(x); // but not here
        FloatVector t = expAboveVanishing(b.reinterpretAsFloats());
        FloatVector z = t.mul(t);
        FloatVector p = t.fma(0x1.5fa0dap-8f, -0x1.eca398p-6f);
        p = p.fma(z, t.fma(0x1.44707ap-4f, -0x1.19af8ep-3f));
        p = p.fma(z, t.fma(0x1.884554p-3f, -0x1.fd1368p-3f));
        p = p.fma(z, t.fma(0x1.5535dep-2f, -0x1.ffff14p-2f));
        return p.fma(z, m.add(t));
    }

    /** x sigmoid(x), 2.6 ulp where |result| &gt; 5e-37, below within 5e-38. NaN for -infinity, which is -infinity times 0. */
    static FloatVector silu(FloatVector x) {
        return x.div(onePlusExp(x.neg())).blend(x, x.compare(GT, NEGLIGIBLE));
    }

    /** The derivative of {@link #silu}, within 1.3e-7. At -infinity and infinity its limits 0 and 1. */
    static FloatVector siluDerivative(FloatVector x) {
        FloatVector b = minusAbs(x);
        FloatVector e = expAboveVanishing(b);
        FloatVector d = e.add(1f);
        FloatVector y = e.mul(d.add(b)).div(d.mul(d)).blend(0f, b.compare(LT, -VANISHING));
        return pointSymmetric(y, x);
    }

    /** tanh x, 2.0 ulp. */
    static FloatVector tanh(FloatVector x) {
        FloatVector a = x.abs();
        FloatVector t = a.fma(-2 * LOG2_E, BIASED);
        FloatVector q = expm1NearZero(minusLn2(a.mul(-2f), t.sub(BIASED)));
        FloatVector s = power(t); // e^-2a = s + sq: numerator and denominator each get it with a rounding of their own
        FloatVector y = s.fma(q, s.sub(1f)).div(s.fma(q, s.add(1f)));
        return withSign(y.abs().blend(1f, a.compare(GT, 10f)), x);
    }

    /** 1 - tanh<sup>2</sup> x, 4.1 ulp: without cancellation. */
    static FloatVector tanhDerivative(FloatVector x) {
        float four = BIASED + 2;
        FloatVector b = minusAbs(x).mul(2f);
        FloatVector t = b.fma(LOG2_E, four);
        FloatVector s = power(t);
        FloatVector e = s.fma(expm1NearZero(minusLn2(b, t.sub(four))), s); // 4 e^-2|x|
        FloatVector d = e.fma(0.25f, 1f);
        return e.div(d.mul(d)).blend(0f, b.compare(LT, -89.4f)); // n = -129
    }

    // The normal distribution, and GELU

    /** 2/sqrt(pi) times the integral of e<sup>-t²</sup> from 0 to x, 1.4 ulp. */
    static FloatVector erf(FloatVector x) {
        FloatVector u = x.mul(x);
        FloatVector v = u.mul(u);
        FloatVector p = u.fma(-0x1.3ba9cep-11f, 0x1.479c9ep-8f);
        p = p.fma(v, u.fma(-0x1.b69b96p-6f, 0x1.ce1b86p-4f));
        p = p.fma(v, u.fma(-0x1.8126ecp-2f, 0x1.06eba6p-3f));
        FloatVector a = x.abs().mul(0x1.6a09e6p0f);
        FloatVector far = gaussian(a).mul(mills(a)).fma(-2f, 1f).blend(1f, a.compare(GT, 6f));
        return p.fma(x, x).blend(withSign(far, x), a.compare(GT, 1.25f));
    }

    /** x times the normal distribution function of x, within 1.2e-7 max(1, |x|). NaN for -infinity: -infinity times 0. */
    static FloatVector geluErf(FloatVector x) {
        FloatVector a = x.abs();
        FloatVector y = gaussian(a).mul(mills(a)).blend(0f, a.compare(GT, GAUSSIAN_VANISHING));
        return x.mul(pointSymmetric(y, x));
    }

    /** The derivative of {@link #geluErf}, within 1.7e-7. At -infinity and infinity its limits 0 and 1. */
    static FloatVector geluErfDerivative(FloatVector x) {
        FloatVector a = x.abs();
        FloatVector y = gaussian(a).mul(a.fma(all(-0x1.988454p-2f), mills(a)));
        return pointSymmetric(y.blend(0f, a.compare(GT, GAUSSIAN_VANISHING)), x);
    }

    /** sqrt(2/pi), and how much of x³ is added to x. */
    private static final float GELU = 0x1.988454p-1f;

    private static final float GELU_CUBE = 0.044715f;

    /**
     * x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x³))) = x sigmoid(2 sqrt(2/pi) (x + 0.044715 x³)), within 1.4e-7 max(1, |x|).
     * NaN for -infinity: -infinity times 0.
     */
    static FloatVector geluTanh(FloatVector x) {
        FloatVector u = x.mul(x).fma(-2 * GELU * GELU_CUBE, -2 * GELU).mul(x);
        return x.div(onePlusExp(u)).blend(x, u.compare(LT, -NEGLIGIBLE));
    }

    /** The derivative of {@link #geluTanh}, within 1.3e-7. At -infinity and infinity its limits 0 and 1. */
    static FloatVector geluTanhDerivative(FloatVector x) {
        FloatVector a = x.abs();
        FloatVector z = a.mul(a);
        FloatVector u = z.fma(-2 * GELU * GELU_CUBE, -2 * GELU).mul(a);
        FloatVector slope = z.fma(-6 * GELU * GELU_CUBE, -2 * GELU);
        FloatVector e = expAboveVanishing(u);
        FloatVector d = e.add(1f);
        FloatVector y = e.mul(slope.fma(a, d)).div(d.mul(d)).blend(0f, u.compare(LT, -VANISHING));
        return pointSymmetric(y, x);
    }

    // Trigonometry

    /**
     * sin x, 2.0 ulp for |x| &lt;= 2<sup>20</sup>. Beyond, where floats are 1/8 apart and more, the angle is taken for 0;
     * infinity gives NaN.
     */
    static FloatVector sin(FloatVector x) {
        return sinOfQuadrant(x, 0);
    }

    /** cos x, 2.1 ulp for |x| &lt;= 2<sup>20</sup>; beyond like {@link #sin}, so that the pair stays a rotation. */
    static FloatVector cos(FloatVector x) {
        return sinOfQuadrant(x, 1);
    }

    // Algebra

    /** max(x, 0). */
    static FloatVector relu(FloatVector x) {
        return V.max(x, all(0f));
    }

    /** {@code g} where x &gt; 0, else 0. */
    static FloatVector reluGradient(FloatVector x, FloatVector g) {
        return relu(x).blend(g, x.compare(GT, 0f));
    }

    /** 1 / sqrt(x), 1.0 ulp: by a true root and a true division. Infinity for 0. */
    static FloatVector reciprocalSqrt(FloatVector x) {
        return all(1f).div(x.sqrt());
    }

    // Parts of exponentials

    /** x - k ln 2. */
    private static FloatVector minusLn2(FloatVector x, FloatVector k) {
        return k.fma(all(-LN2_LOW), k.fma(all(-LN2_HIGH), x));
    }

    /** e<sup>r</sup> - 1 for |r| &lt;= ln(2)/2; growing without bound for larger r. */
    private static FloatVector expm1NearZero(FloatVector r) {
        FloatVector z = r.mul(r);
        FloatVector p = z.fma(all(0x1.6b97a2p-10f), r.fma(0x1.122538p-7f, 0x1.5556f6p-5f));
        p = p.fma(z, r.fma(0x1.5554b4p-3f, 0x1.fffffep-2f));
        return p.fma(z, r);
    }

    /** p 2<sup>n</sup> where t = n + MAGIC; right as long as the result is normal. */
    private static FloatVector addToExponent(FloatVector p, FloatVector t) {
        IntVector n = t.reinterpretAsInts().lanewise(LSHL, 23);
        return p.reinterpretAsInts().add(n).reinterpretAsFloats();
    }

    /** 2<sup>n</sup> where t = n + BIASED and -127 &lt;= n &lt;= 128, the ends standing for 0 and infinity. */
    private static FloatVector power(FloatVector t) {
        return t.reinterpretAsInts().lanewise(LSHL, 23).reinterpretAsFloats();
    }

    /** MAGIC + min(m, n) of t = MAGIC + m; MAGIC + n of infinity. */
    private static FloatVector upTo(int n, FloatVector t) {
        return t.reinterpretAsInts().min(MAGIC_BITS + n).reinterpretAsFloats();
    }

    /** e<sup>x</sup> for -VANISHING &lt;= x &lt;= 0, at its lower end 0; below it anything. */
    private static FloatVector expAboveVanishing(FloatVector x) {
        FloatVector t = x.fma(LOG2_E, BIASED);
        FloatVector s = power(t);
        return s.fma(expm1NearZero(minusLn2(x, t.sub(BIASED))), s);
    }

    /**
     * 1 + e<sup>u</sup> for u &gt;= -VANISHING; below it anything. Where e<sup>u</sup> &gt; 2<sup>127.5</sup> the exponent
     * stays, and the polynomial grows instead to infinity, losing accuracy.
     */
    private static FloatVector onePlusExp(FloatVector u) {
        FloatVector t = upTo(254, u.fma(LOG2_E, BIASED));
        FloatVector s = power(t);
        return s.fma(expm1NearZero(minusLn2(u, t.sub(BIASED))), s.add(1f));
    }

    // Parts of logarithms

    /** n such that the normal number of these bits is 2<sup>n</sup> m, sqrt(1/2) &lt;= m &lt; sqrt(2). */
    private static IntVector exponent(IntVector bits) {
        return bits.sub(0x3F35_04F3).lanewise(ASHR, 23);
    }

    private static FloatVector mantissa(IntVector bits, IntVector n) {
        return bits.sub(n.lanewise(LSHL, 23)).reinterpretAsFloats();
    }

    /** k ln 2 + ln(1 + f) where u, the logarithm's argument, is positive and x is finite; else what belongs there. */
    private static FloatVector logOrSpecial(FloatVector k, FloatVector f, FloatVector u, FloatVector x) {
        FloatVector z = f.mul(f);
        FloatVector p = f.fma(-0x1.38c908p-4f, 0x1.055e6p-3f);
        p = p.fma(z, f.fma(-0x1.0d8232p-3f, 0x1.22d936p-3f));
        p = p.fma(z, f.fma(-0x1.54728cp-3f, 0x1.99a01cp-3f));
        p = p.fma(z, f.fma(-0x1.000226p-2f, 0x1.555554p-2f));
        FloatVector y = p.mul(f).fma(z, k.mul(LN2_LOW));
        y = k.fma(all(LN2_HIGH), z.fma(all(-0.5f), y).add(f));
        y = x.blend(y, x.compare(LT, INFINITY));
        return y.blend(-INFINITY, u.compare(EQ, 0f)).blend(Float.NaN, u.compare(LT, 0f));
    }

    // Parts of the rest

    private static FloatVector minusAbs(FloatVector x) {
        return x.reinterpretAsInts().or(SIGN).reinterpretAsFloats();
    }

    private static FloatVector withSign(FloatVector magnitude, FloatVector sign) {
        IntVector bit = sign.reinterpretAsInts().and(SIGN);
        return magnitude.reinterpretAsInts().or(bit).reinterpretAsFloats();
    }

    /** f(x) of y = f(-|x|) for a function with f(x) + f(-x) = 1. */
    private static FloatVector pointSymmetric(FloatVector y, FloatVector x) {
        return y.blend(all(1f).sub(y), x.compare(GT, 0f));
    }

    /** From here on {@link #gaussian} counts for 0: n = -127. */
    private static final float GAUSSIAN_VANISHING = 13.26f;

    /** e<sup>-a²/2</sup> for 0 &lt;= a &lt;= GAUSSIAN_VANISHING, beyond it anything. */
    private static FloatVector gaussian(FloatVector a) {
        FloatVector b = a.mul(-0.5f);
        FloatVector h = a.mul(b);
        FloatVector lost = a.fma(b, h.neg()); // a b = h + lost
        FloatVector t = h.fma(LOG2_E, BIASED);
        FloatVector k = t.sub(BIASED);
        FloatVector r = k.fma(all(-LN2_LOW), k.fma(all(-LN2_HIGH), h).add(lost));
        FloatVector s = power(t);
        return s.fma(expm1NearZero(r), s);
    }

    /** The normal distribution function of -a over e<sup>-a²/2</sup>, 0 &lt;= a &lt;= GAUSSIAN_VANISHING. */
    private static FloatVector mills(FloatVector a) {
        FloatVector w = a.sub(3f).div(a.add(3f));
        FloatVector z = w.mul(w);
        FloatVector p = w.fma(0x1.c8f86p-15f, 0x1.e7fda2p-14f);
        p = p.fma(z, w.fma(-0x1.64d88ap-12f, -0x1.021564p-10f));
        p = p.fma(z, w.fma(0x1.7cc05cp-9f, 0x1.91e2c8p-8f));
        p = p.fma(z, w.fma(-0x1.7a947p-5f, 0x1.f8bacap-4f));
        return p.fma(z, w.fma(-0x1.a6b66ap-3f, 0x1.f1b89cp-4f));
    }

    /** sin(x + quarter pi/2): x less a multiple of pi/2 in three parts, then the sine or cosine of the rest. */
    private static FloatVector sinOfQuadrant(FloatVector x, int quarter) {
        x = x.blend(x.mul(0f), x.abs().compare(GT, 0x1p20f));
        FloatVector t = x.fma(0x1.45f306p-1f, MAGIC);
        FloatVector k = t.sub(MAGIC);
        FloatVector r = k.fma(all(-0x1.921fb4p0f), x);
        r = k.fma(all(-0x1.4442dp-24f), r);
        r = k.fma(all(-0x1.846988p-48f), r);
        FloatVector z = r.mul(r);
        FloatVector s = z.fma(-0x1.9954p-13f, 0x1.110778p-7f).fma(z, all(-0x1.555546p-3f));
        s = s.mul(z).fma(r, r);
        FloatVector c = z.fma(0x1.99e80cp-16f, -0x1.6c0c28p-10f).fma(z, all(0x1.55554ap-5f));
        c = c.fma(z, all(-0.5f)).fma(z, all(1f));
        IntVector n = t.reinterpretAsInts().add(quarter);
        IntVector y =
                s.reinterpretAsInts().blend(c.reinterpretAsInts(), n.and(1).compare(NE, 0));
        return y.lanewise(XOR, n.and(2).lanewise(LSHL, 30)).reinterpretAsFloats();
    }
}
