package dev.heddle.reference;

import java.util.Map;

/** RWKV-4 in float64, token by token, from the equations; optionally with SpikeGPT's neurons. */
public final class Rwkv464 {
    private final Map<String, double[]> p;
    private final int channels;
    private final int layers;
    private final boolean spiking;
    private final double[][] x1;
    private final double[][] x2;
    private final double[][] num;
    private final double[][] den;
    private final double[][] v1;
    private final double[][] v2;

    /** @param p flat parameters by their names in a checkpoint */
    public Rwkv464(Map<String, double[]> p, int channels, int layers, boolean spiking) {
        this.p = p;
        this.channels = channels;
        this.layers = layers;
        this.spiking = spiking;
        x1 = new double[layers][channels];
        x2 = new double[layers][channels];
        num = new double[layers][channels];
        den = new double[layers][channels];
        v1 = new double[layers][channels];
        v2 = new double[layers][channels];
    }

    /** The logits after one more token. Sums of exponentials are kept as they are, so keys must be moderate. */
    public double[] next(int token) {
        double[] x = new double[channels];
        for (int c = 0; c < channels; c++) {
            double e = p.get("emb.weight")[token * channels + c];
            x[c] = spiking ? e >= 0 ? 1 : 0 : e;
        }
        x = norm("blocks.0.ln0", x);
        for (int i = 0; i < layers; i++) {
            String b = "blocks." + i + ".";
            double[] a = norm(b + "ln1", x);
            double[] k = times(b + "att.key.weight", mix(b + "att.time_mix_k", a, x1[i]));
            double[] v = times(b + "att.value.weight", mix(b + "att.time_mix_v", a, x1[i]));
            double[] r = times(b + "att.receptance.weight", mix(b + "att.time_mix_r", a, x1[i]));
            x1[i] = a;
            double[] y = new double[channels];
            for (int c = 0; c < channels; c++) {
                double now = Math.exp(p.get(b + "att.time_first")[c] + k[c]);
                y[c] = sigmoid(r[c]) * (num[i][c] + now * v[c]) / (den[i][c] + now);
                double decay = Math.exp(-Math.exp(p.get(b + "att.time_decay")[c]));
                num[i][c] = decay * num[i][c] + Math.exp(k[c]) * v[c];
                den[i][c] = decay * den[i][c] + Math.exp(k[c]);
            }
            add(x, times(b + "att.output.weight", y), v1[i]);
            double[] f = norm(b + "ln2", x);
            double[] h = times(b + "ffn.key.weight", mix(b + "ffn.time_mix_k", f, x2[i]));
            for (int c = 0; c < h.length; c++) {
                h[c] = Math.max(h[c], 0) * Math.max(h[c], 0);
            }
            double[] g = times(b + "ffn.receptance.weight", mix(b + "ffn.time_mix_r", f, x2[i]));
            x2[i] = f;
            double[] o = times(b + "ffn.value.weight", h);
            for (int c = 0; c < channels; c++) {
                o[c] *= sigmoid(g[c]);
            }
            add(x, o, v2[i]);
        }
        return times("head.weight", norm("ln_out", x));
    }

    private void add(double[] x, double[] y, double[] v) {
        for (int c = 0; c < channels; c++) {
            if (spiking) {
                double h = v[c] + (y[c] - v[c]) / 2;
                v[c] = h >= 1 ? 0 : h;
                x[c] += h >= 1 ? 1 : 0;
            } else {
                x[c] += y[c];
            }
        }
    }

    private double[] norm(String name, double[] x) {
        double mean = 0;
        for (double e : x) {
            mean += e / channels;
        }
        double var = 0;
        for (double e : x) {
            var += (e - mean) * (e - mean) / channels;
        }
        double[] y = new double[channels];
        for (int c = 0; c < channels; c++) {
            y[c] = (x[c] - mean) / Math.sqrt(var + 1e-5) * p.get(name + ".weight")[c] + p.get(name + ".bias")[c];
        }
        return y;
    }

    private double[] mix(String name, double[] now, double[] before) {
        double[] y = new double[channels];
        for (int c = 0; c < channels; c++) {
            y[c] = now[c] * p.get(name)[c] + before[c] * (1 - p.get(name)[c]);
        }
        return y;
    }

    private double[] times(String name, double[] x) {
        double[] w = p.get(name);
        double[] y = new double[w.length / x.length];
        for (int i = 0; i < w.length; i++) {
            y[i / x.length] += w[i] * x[i % x.length];
        }
        return y;
    }

    private static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }
}
