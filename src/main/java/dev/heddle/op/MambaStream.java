package dev.heddle.op;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import dev.heddle.tensor.Workspace;
import java.util.Arrays;
import java.util.Map;

/**
 * The states of independent streams through one Mamba block: a pool of slots, each with the last inputs of the convolution and the
 * states of the scan. Any rows of a batch continue any slots, so streams may come and go between steps. Outputs have the bits of
 * the block's forward on the whole sequence, however it is cut.
 *
 * <p>The parameters are those that the block had when the stream was made. Memory does not grow with time. Not for several threads at
 * once.
 */
public final class MambaStream implements AutoCloseable {
    private static final String CONV = "conv_state";
    private static final String SSM = "ssm_state";

    /** Takes rows of inputs through the block, and the states in {@code slots} with them. */
    interface Block {
        void run(Tensor x, Tensor conv, Tensor ssm, int[] slots, Tensor y, Workspace scratch);
    }

    private final Block block;
    private final long width;
    private final Tensor conv;
    private final Tensor ssm;
    private final Workspace scratch = new Workspace();

    /**
     * For a block of inputs {@code width} wide.
     *
     * @param conv {@code [S, K - 1, channels]}
     * @param ssm {@code [S, ..., N]}
     */
    MambaStream(Block block, long width, Tensor conv, Tensor ssm) {
        this.block = block;
        this.width = width;
        this.conv = conv;
        this.ssm = ssm;
    }

    /** How many streams there can be. */
    public int slots() {
        return Math.toIntExact(conv.dim(0));
    }

    /**
     * The next outputs of some streams, as a new tensor: row b of {@code x}, {@code [B, L, d_model]}, continues the stream in slot
     * {@code slots[b]}, each at most once.
     */
    public Tensor forward(Tensor x, int... slots) {
        check(x, slots);
        Tensor y = Tensor.zeros(DType.F32, x.shape().toArray());
        run(x, slots, y);
        return y;
    }

    /** The same into a tensor given; nothing is allocated once sizes have been seen. */
    public void forward(Tensor x, int[] slots, Tensor y) {
        check(x, slots);
        Checks.like("y", y, DType.F32, "x", x);
        Checks.contiguous("y", y);
        new Apart().in("x", x).out("y", y);
        run(x, slots, y);
    }

    private void check(Tensor x, int[] slots) {
        Checks.rank("x", x, 3);
        Checks.shape("x", x, DType.F32, x.dim(0), x.dim(1), width);
        Checks.contiguous("x", x);
        if (slots.length != x.dim(0)) {
            throw new IllegalArgumentException(
                    "slots: " + Arrays.toString(slots) + ", must be one for each row of x of shape " + x.shape());
        }
        Slots.check("slots", slots, slots());
    }

    private void run(Tensor x, int[] slots, Tensor y) {
        block.run(x, conv, ssm, slots, y, scratch);
        scratch.reset();
    }

    /** Starts a stream anew. */
    public void reset(int slot) {
        conv.select(0, slot).fill(0);
        ssm.select(0, slot).fill(0);
    }

    /** Copies of one stream's states, by name: {@code conv_state} and {@code ssm_state}. */
    public Map<String, Tensor> save(int slot) {
        return Map.of(
                CONV, conv.select(0, slot).copy(), SSM, ssm.select(0, slot).copy());
    }

    /** Puts states that were saved into a slot, of this stream or of another of the same block. */
    public void restore(int slot, Map<String, Tensor> saved) {
        Tensor c = MambaBlock.named(saved, CONV);
        Tensor s = MambaBlock.named(saved, SSM);
        Checks.like(CONV, c, DType.F32, "a slot", conv.select(0, slot));
        Checks.like(SSM, s, DType.F32, "a slot", ssm.select(0, slot));
        conv.select(0, slot).copyFrom(c);
        ssm.select(0, slot).copyFrom(s);
    }

    /** Bytes that it holds: the states of all slots, and what a call needs meanwhile. Calls longer than any before may add to them. */
    public long bytes() {
        return 4 * (conv.size() + ssm.size()) + scratch.capacity();
    }

    /** Frees the memory that it needs meanwhile. */
    @Override
    public void close() {
        scratch.close();
    }
}
