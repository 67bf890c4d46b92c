package dev.heddle.kernel.vector;

import static dev.heddle.kernel.vector.V.f32;
import static dev.heddle.kernel.vector.V.i32;
import static dev.heddle.kernel.vector.V.i64;
import static dev.heddle.memory.Raw.ALL;
import static dev.heddle.memory.Raw.F32;
import static dev.heddle.memory.Raw.F64;

import dev.heddle.kernel.GcnNormKernels;
import dev.heddle.weave.Const;
import dev.heddle.weave.Inline;
import dev.heddle.weave.Kernel;

/** Numbers that belong to edges, not to features: no lanes. */
public final class GcnNorm implements GcnNormKernels {
    @Override
    @Kernel
    public void degrees(
            @Const boolean weighted,
            long indptr,
            long indices,
            long w,
            float fill,
            long scale,
            long self,
            long row,
            long rowEnd) {
        for (long i = row; i != rowEnd; i++) {
            long first = i64(indptr + 8 * i);
            long end = i64(indptr + 8 * i + 8);
            double sum = 0;
            boolean looped = false;
            for (long e = first; e != end; e++) {
                sum += weighted ? f32(w + 4 * e) : 1f;
                looped |= i32(indices + 4 * e) == i;
            }
            float filled = looped ? 0f : fill;
            sum += filled;
            float s = sum == 0 ? 0f : (float) (1 / Math.sqrt(sum));
            ALL.set(F32, scale + 4 * i, s);
            ALL.set(F32, self + 4 * i, s * s * filled);
        }
    }

    @Override
    @Kernel
    public void norm(
            @Const boolean weighted, long indptr, long indices, long w, long scale, long norm, long row, long rowEnd) {
        for (long i = row; i != rowEnd; i++) {
            float s = f32(scale + 4 * i);
            long first = i64(indptr + 8 * i);
            long end = i64(indptr + 8 * i + 8);
            for (long e = first; e != end; e++) {
                float from = f32(scale + 4L * i32(indices + 4 * e));
                ALL.set(F32, norm + 4 * e, weighted ? from * f32(w + 4 * e) * s : from * s);
            }
        }
    }

    @Override
    @Kernel
    public void gradRows(
            long indptr,
            long indices,
            long w,
            float fill,
            long scale,
            long g,
            long gSelf,
            long gScale,
            long sums,
            long row,
            long rowEnd) {
        for (long i = row; i != rowEnd; i++) {
            long first = i64(indptr + 8 * i);
            long end = i64(indptr + 8 * i + 8);
            double sum = 0;
            boolean looped = false;
            for (long e = first; e != end; e++) {
                int j = i32(indices + 4 * e);
                looped |= j == i;
                sum += g == 0 ? 0 : (double) f32(g + 4 * e) * f32(w + 4 * e) * f32(scale + 4L * j);
            }
            if (gSelf != 0 && !looped) {
                sum += 2.0 * f32(scale + 4 * i) * fill * f32(gSelf + 4 * i);
            }
            if (gScale != 0) {
                sum += f32(gScale + 4 * i);
            }
            ALL.set(F64, sums + 8 * i, sum);
        }
    }

    @Override
    @Kernel
    public void gradDegrees(
            @Const boolean wide,
            long tptr,
            long tindices,
            long tperm,
            long w,
            long scale,
            long g,
            long sums,
            long row,
            long rowEnd) {
        for (long j = row; j != rowEnd; j++) {
            long first = i64(tptr + 8 * j);
            long end = i64(tptr + 8 * j + 8);
            double sum = ALL.get(F64, sums + 8 * j);
            for (long t = first; t != end && g != 0; t++) {
                long e = position(wide, tperm, t);
                sum += (double) f32(g + 4 * e) * f32(w + 4 * e) * f32(scale + 4L * i32(tindices + 4 * t));
            }
            double s = f32(scale + 4 * j);
            ALL.set(F64, sums + 8 * j, -0.5 * s * s * s * sum);
        }
    }

    @Override
    @Kernel
    public void gradW(long indptr, long indices, long scale, long g, long sums, long gw, long row, long rowEnd) {
        for (long i = row; i != rowEnd; i++) {
            double s = f32(scale + 4 * i);
            double degree = ALL.get(F64, sums + 8 * i);
            long first = i64(indptr + 8 * i);
            long end = i64(indptr + 8 * i + 8);
            for (long e = first; e != end; e++) {
                double direct = g == 0 ? 0 : f32(g + 4 * e) * s * f32(scale + 4L * i32(indices + 4 * e));
                ALL.set(F32, gw + 4 * e, (float) (direct + degree));
            }
        }
    }

    @Inline
    static long position(boolean wide, long perm, long t) {
        return wide ? i64(perm + 8 * t) : i32(perm + 4 * t);
    }
}
