package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.heddle.op.SelectiveStateUpdate.Inputs;
import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SelectiveStateUpdateTest {
    private static Inputs random(int batch, int channels, int states, int pool, long seed) {
        Random r = new Random(seed);
        return new Inputs(
                Trial.normal(r, pool, channels, states),
                Trial.spread(Trial.normal(r, batch, channels)),
                Trial.normal(r, batch, channels),
                Trial.fill(Tensor.zeros(DType.F32, channels, states), () -> -r.nextFloat()),
                Trial.spread(Trial.normal(r, batch, states)),
                Trial.normal(r, batch, states),
                Trial.normal(r, channels),
                Trial.normal(r, batch, channels),
                Trial.normal(r, channels),
                null);
    }

    private static Inputs withSlots(Inputs in, int... slots) {
        return new Inputs(
                in.state(), in.x(), in.dt(), in.a(), in.b(), in.c(), in.d(), in.z(), in.dtBias(), Tensor.of(slots));
    }

    private static SelectiveStateUpdate op() {
        return SelectiveStateUpdate.builder().dtSoftplus(true).build();
    }

    private static Tensor step(Tensor t) {
        return t.unflatten(1, 1, t.dim(1));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3, 4, 16, 17, 33, 100})
    void hasTheBitsOfAScanOfOneStep(int channels) {
        Inputs in = random(3, channels, 6, 3, channels);
        SelectiveScan.Result want = SelectiveScan.builder()
                .deltaSoftplus(true)
                .build()
                .forward(new SelectiveScan.Inputs(
                        step(in.x()),
                        step(in.dt()),
                        in.a(),
                        step(in.b()),
                        step(in.c()),
                        in.d(),
                        step(in.z()),
                        in.dtBias(),
                        in.state(),
                        null));
        float[][] out = Trial.everywhere(() -> {
            SelectiveStateUpdate.Result r = op().step(in);
            return new Tensor[] {r.y(), r.state()};
        });
        Trial.assertSameBits(want.y().toFloatArray(), out[0], "y");
        Trial.assertSameBits(want.lastState().toFloatArray(), out[1], "state");
    }

    @Test
    void slotsChooseStatesAndLeaveTheOthers() {
        Inputs pool = random(3, 20, 6, 5, 1);
        int[] slots = {4, 0, 2};
        Tensor state = pool.state().copy();
        Tensor y = Tensor.zeros(DType.F32, 3, 20);
        try (Workspace scratch = new Workspace()) {
            Inputs in = new Inputs(
                    state,
                    pool.x(),
                    pool.dt(),
                    pool.a(),
                    pool.b(),
                    pool.c(),
                    pool.d(),
                    pool.z(),
                    pool.dtBias(),
                    Tensor.of(slots));
            op().step(in, y, state, scratch);
        }
        for (int k = 0; k < 3; k++) {
            Inputs one = new Inputs(
                    pool.state().slice(0, slots[k], slots[k] + 1),
                    pool.x().slice(0, k, k + 1),
                    pool.dt().slice(0, k, k + 1),
                    pool.a(),
                    pool.b().slice(0, k, k + 1),
                    pool.c().slice(0, k, k + 1),
                    pool.d(),
                    pool.z().slice(0, k, k + 1),
                    pool.dtBias(),
                    null);
            SelectiveStateUpdate.Result r = op().step(one);
            Trial.assertSameBits(r.y().toFloatArray(), y.slice(0, k, k + 1).toFloatArray(), "y");
            Trial.assertSameBits(
                    r.state().toFloatArray(), state.select(0, slots[k]).toFloatArray(), "state");
        }
        for (int other : new int[] {1, 3}) {
            Trial.assertSameBits(
                    pool.state().select(0, other).toFloatArray(),
                    state.select(0, other).toFloatArray(),
                    "nobody's state");
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        Inputs in = random(3, 8, 4, 3, 2);
        var e = assertThrows(IndexOutOfBoundsException.class, () -> op().step(withSlots(in, 0, 1, 3)));
        assertEquals("slots: [2] is 3, must be one of 3 states", e.getMessage());
        refused("slots: [2] is 0, which is taken twice", withSlots(in, 0, 1, 0));
        refused("slots: shape [2], must be [3]", withSlots(in, 0, 1));
        refused("B: ", new Inputs(in.state(), in.x(), in.dt(), in.a(), in.x(), in.c(), null, null, null, null));
        refused("dt: ", new Inputs(in.state(), in.x(), in.b(), in.a(), in.b(), in.c(), null, null, null, null));
        refused("state: ", new Inputs(in.x(), in.x(), in.dt(), in.a(), in.b(), in.c(), null, null, null, null));
        try (Workspace scratch = new Workspace()) {
            assertThrows(
                    IllegalArgumentException.class, () -> op().step(in, in.x(), in.state(), scratch), "y overlaps x");
        }
    }

    private static void refused(String message, Inputs in) {
        var e = assertThrows(IllegalArgumentException.class, () -> op().step(in));
        assertTrue(e.getMessage().startsWith(message), e.getMessage());
    }
}
