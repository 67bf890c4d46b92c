package dev.heddle.tensor;

import dev.heddle.memory.Block;
import dev.heddle.memory.LiveRanges;
import dev.heddle.memory.Owner;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A shape over native memory. A tensor owns its memory, borrows it from a {@link Workspace} or a {@link MappedFile}, or wraps
 * memory of somebody else's; {@linkplain #slice views} share it. Memory of its own is 64-byte aligned, zeroed, freed by {@link #close} or by
 * the garbage collector. Elements are little-endian; strides are counted in elements.
 *
 * <p>Reading and writing the same tensor from several threads at once is the caller's to order. Use after close, use
 * after a reset of the workspace and a close during an operation throw {@link IllegalStateException}.
 */
public final class Tensor implements AutoCloseable {
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfByte I8 = ValueLayout.JAVA_BYTE;

    private static final Class<?> GLOBAL_SCOPE = Arena.global().scope().getClass();
    private static final Class<?> AUTOMATIC_SCOPE = Arena.ofAuto().scope().getClass();

    private final DType dtype;
    private final Shape shape;
    private final long[] strides;
    private final MemorySegment segment;
    private final Owner owner;
    private final long generation;
    /** What must stay reachable for the memory to stay: a block, a workspace, a mapped file, a foreign owner. */
    private final @Nullable Object keeper;

    Tensor(DType dtype, Shape shape, MemorySegment segment, Owner owner, @Nullable Object keeper) {
        this(dtype, shape, shape.strides(), segment, owner, owner.generation(), keeper);
    }

    private Tensor(
            DType dtype,
            Shape shape,
            long[] strides,
            MemorySegment segment,
            Owner owner,
            long generation,
            @Nullable Object keeper) {
        this.dtype = dtype;
        this.shape = shape;
        this.strides = strides;
        this.segment = segment;
        this.owner = owner;
        this.generation = generation;
        this.keeper = keeper;
    }

    // ------------------------------------------------------------------ making

    /** A tensor of zeros with memory of its own. */
    public static Tensor zeros(DType dtype, long... shape) {
        Shape s = Shape.of(shape);
        Block block = new Block(s.byteSize(dtype), true);
        return new Tensor(dtype, s, block.segment(), new Owner("tensor"), block);
    }

    /** A float32 copy of {@code data}; without a shape, a vector. */
    public static Tensor of(float[] data, long... shape) {
        Tensor t = zeros(DType.F32, shapeFor(data.length, shape));
        MemorySegment.copy(data, 0, t.segment, F32, 0, data.length);
        return t;
    }

    /** An int32 copy of {@code data}; without a shape, a vector. */
    public static Tensor of(int[] data, long... shape) {
        Tensor t = zeros(DType.I32, shapeFor(data.length, shape));
        MemorySegment.copy(data, 0, t.segment, I32, 0, data.length);
        return t;
    }

    /** An int64 copy of {@code data}; without a shape, a vector. */
    public static Tensor of(long[] data, long... shape) {
        Tensor t = zeros(DType.I64, shapeFor(data.length, shape));
        MemorySegment.copy(data, 0, t.segment, I64, 0, data.length);
        return t;
    }

    /** A copy of {@code data} as {@link DType#I8} or {@link DType#U8}; without a shape, a vector. */
    public static Tensor of(DType dtype, byte[] data, long... shape) {
        if (dtype.bytes() != 1) {
            throw new IllegalArgumentException("dtype: bytes make a tensor of I8 or U8, not of " + dtype);
        }
        Tensor t = zeros(dtype, shapeFor(data.length, shape));
        MemorySegment.copy(data, 0, t.segment, I8, 0, data.length);
        return t;
    }

    private static long[] shapeFor(int length, long[] shape) {
        if (shape.length == 0) {
            return new long[] {length};
        }
        Shape s = Shape.of(shape);
        if (s.size() != length) {
            throw new IllegalArgumentException("data has " + length + " elements, shape " + s + " wants " + s.size());
        }
        return shape;
    }

    /**
     * Native memory as a tensor, without a copy. Only memory that cannot be freed while it is reachable will do: of an
     * automatic or the global arena, or together with the {@code owner} whose life it shares.
     *
     * @throws IllegalArgumentException if the segment is on the heap, too small, of a closable arena without an owner,
     *     or read-only
     */
    public static Tensor wrap(MemorySegment memory, @Nullable Object owner, DType dtype, long... shape) {
        Shape s = Shape.of(shape);
        if (!memory.isNative()) {
            throw new IllegalArgumentException("memory: a heap segment cannot be wrapped; copy it with Tensor.of");
        }
        if (memory.isReadOnly() && owner == null) {
            throw new IllegalArgumentException("memory: a read-only segment needs its owner beside it");
        }
        if (owner == null && !outlivesItsUsers(memory)) {
            throw new IllegalArgumentException("memory: its arena can be closed under the tensor; use Arena.ofAuto or"
                    + " Arena.global, or pass the object that keeps it open as owner");
        }
        long bytes = s.byteSize(dtype);
        if (memory.byteSize() < bytes) {
            throw new IllegalArgumentException(
                    "memory: " + memory.byteSize() + " bytes, but " + dtype + " " + s + " needs " + bytes);
        }
        LiveRanges.add(memory.address(), bytes);
        return new Tensor(dtype, s, memory.asSlice(0, bytes), new Owner("tensor"), owner);
    }

    /** A direct buffer as a tensor, without a copy: its bytes from position to limit. */
    public static Tensor wrap(ByteBuffer buffer, DType dtype, long... shape) {
        if (!buffer.isDirect()) {
            throw new IllegalArgumentException("buffer: a heap buffer cannot be wrapped; copy it with Tensor.of");
        }
        return wrap(MemorySegment.ofBuffer(buffer), buffer, dtype, shape);
    }

    /** Native or heap memory as a tensor with memory of its own. */
    public static Tensor copyOf(MemorySegment memory, DType dtype, long... shape) {
        Tensor t = zeros(dtype, shape);
        if (memory.byteSize() < t.segment.byteSize()) {
            throw new IllegalArgumentException("memory: " + memory.byteSize() + " bytes, but " + dtype + " " + t.shape
                    + " needs " + t.segment.byteSize());
        }
        t.segment.copyFrom(memory.asSlice(0, t.segment.byteSize()));
        return t;
    }

    /** No scope says whether it can be closed; those of the automatic and the global arena are known by their class. */
    private static boolean outlivesItsUsers(MemorySegment memory) {
        Class<?> scope = memory.scope().getClass();
        return scope == GLOBAL_SCOPE || scope == AUTOMATIC_SCOPE;
    }

    // ------------------------------------------------------------------ asking

    /** The type of the elements. */
    public DType dtype() {
        return dtype;
    }

    /** The extents of all axes. */
    public Shape shape() {
        return shape;
    }

    /** The number of axes; 0 for a scalar. */
    public int rank() {
        return shape.rank();
    }

    /** The extent of an axis; negative axes count from the last. */
    public long dim(int axis) {
        return shape.dim(axis);
    }

    /** Number of elements. */
    public long size() {
        return shape.size();
    }

    /** Distance, in elements, between neighbours along an axis; negative axes count from the last. */
    public long stride(int axis) {
        return strides[shape.axis(axis)];
    }

    /** Whether the elements lie side by side in row-major order. */
    public boolean isContiguous() {
        return shape.size() <= 1 || contiguousFrom(0);
    }

    private boolean contiguousFrom(int axis) {
        long n = 1;
        for (int i = shape.rank() - 1; i >= axis; i--) {
            if (shape.dim(i) != 1 && strides[i] != n) {
                return false;
            }
            n *= shape.dim(i);
        }
        return true;
    }

    /** Whether this tensor may be used: neither closed nor reset. */
    public boolean isAlive() {
        return owner.isAlive(generation);
    }

    /** Whether the memory cannot be written, as that of a {@link MappedFile}; operators refuse it as an output. */
    public boolean isReadOnly() {
        return segment.isReadOnly();
    }

    /**
     * The address of the first element. It is valid while a {@link Use} of this tensor is open.
     *
     * @throws IllegalStateException if the tensor was closed or its workspace reset
     */
    public long address() {
        requireAlive();
        return segment.address();
    }

    /** Whether writing to one of the two tensors can change the other. */
    public boolean overlaps(Tensor other) {
        if (size() == 0 || other.size() == 0) {
            return false;
        }
        long a = segment.address();
        long b = other.segment.address();
        if (a + span() <= b || b + other.span() <= a) {
            return false;
        }
        return !interleaved(other);
    }

    /** Two column ranges of the same rows: their spans meet, their elements do not. */
    private boolean interleaved(Tensor o) {
        if (rank() < 2 || o.rank() < 2 || !contiguousFrom(1) || !o.contiguousFrom(1)) {
            return false;
        }
        long pitch = strides[0] * dtype.bytes();
        if (pitch <= 0 || pitch != o.strides[0] * o.dtype.bytes()) {
            return false;
        }
        long width = size() / dim(0) * dtype.bytes();
        long otherWidth = o.size() / o.dim(0) * o.dtype.bytes();
        long apart = Math.floorMod(o.segment.address() - segment.address(), pitch);
        return width <= apart && apart + otherWidth <= pitch;
    }

    /** Bytes from the first element to the end of the last. */
    private long span() {
        long last = 0;
        for (int i = 0; i < strides.length; i++) {
            last += (shape.dim(i) - 1) * strides[i];
        }
        return (last + 1) * dtype.bytes();
    }

    // ------------------------------------------------------------------ views

    /** The part from {@code from} (inclusive) to {@code to} (exclusive) of an axis; shares memory. */
    public Tensor slice(int axis, long from, long to) {
        int a = shape.axis(axis);
        if (from < 0 || to < from || to > shape.dim(a)) {
            throw new IndexOutOfBoundsException(
                    "range [" + from + ", " + to + ") of axis " + axis + " of a tensor of shape " + shape);
        }
        long[] dims = shape.toArray();
        dims[a] = to - from;
        return view(Shape.of(dims), strides, from * strides[a]);
    }

    /** The tensor at one position of an axis, without that axis; shares memory. */
    public Tensor select(int axis, long index) {
        int a = shape.axis(axis);
        if (index < 0 || index >= shape.dim(a)) {
            throw new IndexOutOfBoundsException(
                    "index " + index + " of axis " + axis + " of a tensor of shape " + shape);
        }
        return view(Shape.of(without(shape.toArray(), a)), without(strides, a), index * strides[a]);
    }

    private static long[] without(long[] values, int axis) {
        long[] rest = new long[values.length - 1];
        System.arraycopy(values, 0, rest, 0, axis);
        System.arraycopy(values, axis + 1, rest, axis, rest.length - axis);
        return rest;
    }

    /**
     * One axis as two: position i of the old is {@code (i / inner, i % inner)} of the new; shares memory.
     *
     * @throws IllegalArgumentException if the extents do not make up that of the axis
     */
    public Tensor unflatten(int axis, long outer, long inner) {
        int a = shape.axis(axis);
        if (outer < 0 || inner < 0 || outer * inner != shape.dim(a)) {
            throw new IllegalArgumentException("axis " + axis + " of a tensor of shape " + shape + " cannot become ["
                    + outer + ", " + inner + "]");
        }
        long[] dims = with(shape.toArray(), a, outer);
        dims[a + 1] = inner;
        return view(Shape.of(dims), with(strides, a, inner * strides[a]), 0);
    }

    private static long[] with(long[] values, int axis, long value) {
        long[] more = new long[values.length + 1];
        System.arraycopy(values, 0, more, 0, axis);
        more[axis] = value;
        System.arraycopy(values, axis, more, axis + 1, values.length - axis);
        return more;
    }

    /** Two axes exchanged; shares memory, and is not contiguous unless one of them has extent 1. */
    public Tensor transpose(int axis, int other) {
        int a = shape.axis(axis);
        int b = shape.axis(other);
        long[] dims = shape.toArray();
        long[] s = strides.clone();
        dims[a] = shape.dim(b);
        dims[b] = shape.dim(a);
        s[a] = strides[b];
        s[b] = strides[a];
        return view(Shape.of(dims), s, 0);
    }

    /**
     * The same elements in another shape; shares memory. One extent may be -1, meaning whatever is left.
     *
     * @throws IllegalArgumentException if the sizes differ, or the elements do not lie side by side
     */
    public Tensor reshape(long... to) {
        long[] dims = to.clone();
        for (int i = 0; i < dims.length; i++) {
            if (dims[i] == -1) {
                dims[i] = 1;
                long rest = Shape.of(dims).size();
                dims[i] = rest == 0 ? 0 : size() / rest;
                break;
            }
        }
        Shape s = Shape.of(dims);
        if (s.size() != size()) {
            throw new IllegalArgumentException("a tensor of shape " + shape + " has " + size()
                    + " elements and cannot become " + Arrays.toString(to));
        }
        if (!isContiguous()) {
            throw new IllegalArgumentException(
                    "a view of shape " + shape + " that is not contiguous cannot be reshaped; call contiguous() first");
        }
        return view(s, s.strides(), 0);
    }

    private Tensor view(Shape s, long[] strides, long offset) {
        requireAlive();
        long start = s.size() == 0 ? 0 : offset * dtype.bytes();
        return new Tensor(dtype, s, strides, segment.asSlice(start), owner, generation, keeper);
    }

    /** This tensor if it is contiguous, else a copy that is. */
    public Tensor contiguous() {
        return isContiguous() ? this : copy();
    }

    /** A contiguous copy with memory of its own. */
    public Tensor copy() {
        Tensor t = zeros(dtype, shape.toArray());
        t.copyFrom(this);
        return t;
    }

    // ------------------------------------------------------------------ elements

    /** One element of a float tensor; {@link DType#F16} and {@link DType#BF16} are widened. */
    public float getFloat(long... index) {
        long at = offset(index);
        return guarded(() -> floatAt(at));
    }

    /** Sets one element of a float tensor, rounded to nearest even where it is narrower. */
    public void setFloat(float value, long... index) {
        long at = offset(index);
        guarded(() -> {
            setFloatAt(at, value);
            return value;
        });
    }

    /** One element of an integer tensor; {@link DType#U8} counts from 0 to 255. */
    public long getLong(long... index) {
        long at = offset(index);
        return guarded(() -> longAt(at));
    }

    /**
     * Sets one element of an integer tensor.
     *
     * @throws IllegalArgumentException if the type cannot hold the value
     */
    public void setLong(long value, long... index) {
        long at = offset(index);
        guarded(() -> {
            setLongAt(at, value);
            return value;
        });
    }

    private void setLongAt(long offset, long v) {
        boolean fits = switch (dtype) {
            case I32 -> v == (int) v;
            case I8 -> v == (byte) v;
            case U8 -> v == (v & 0xff);
            case I64 -> true;
            default -> throw wrongType("an integer");
        };
        if (!fits) {
            throw new IllegalArgumentException("value: " + v + " does not fit " + dtype);
        }
        switch (dtype) {
            case I32 -> segment.set(I32, offset, (int) v);
            case I64 -> segment.set(I64, offset, v);
            default -> segment.set(I8, offset, (byte) v);
        }
    }

    private float floatAt(long offset) {
        return switch (dtype) {
            case F32 -> segment.get(F32, offset);
            case F16 -> Float.float16ToFloat(segment.get(I16, offset));
            case BF16 -> Float.intBitsToFloat(segment.get(I16, offset) << 16);
            default -> throw wrongType("a float");
        };
    }

    private void setFloatAt(long offset, float v) {
        switch (dtype) {
            case F32 -> segment.set(F32, offset, v);
            case F16 -> segment.set(I16, offset, Float.floatToFloat16(v));
            case BF16 -> segment.set(I16, offset, bf16(v));
            default -> throw wrongType("a float");
        }
    }

    private long longAt(long offset) {
        return switch (dtype) {
            case I32 -> segment.get(I32, offset);
            case I64 -> segment.get(I64, offset);
            case I8 -> segment.get(I8, offset);
            case U8 -> Byte.toUnsignedLong(segment.get(I8, offset));
            default -> throw wrongType("an integer");
        };
    }

    private static short bf16(float v) {
        int bits = Float.floatToRawIntBits(v);
        return (short) (Float.isNaN(v) ? bits >>> 16 | 0x40 : (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16);
    }

    private IllegalArgumentException wrongType(String wanted) {
        return new IllegalArgumentException("an element of " + dtype + " is not " + wanted);
    }

    private long offset(long[] index) {
        if (index.length != rank()) {
            throw new IndexOutOfBoundsException("index " + Arrays.toString(index) + " of a tensor of shape " + shape);
        }
        long at = 0;
        for (int i = 0; i < index.length; i++) {
            if (index[i] < 0 || index[i] >= shape.dim(i)) {
                throw new IndexOutOfBoundsException(
                        "index " + Arrays.toString(index) + " of a tensor of shape " + shape);
            }
            at += index[i] * strides[i];
        }
        return at * dtype.bytes();
    }

    /** The elements in row-major order as a new array; {@link DType#F16} and {@link DType#BF16} are widened. */
    public float[] toFloatArray() {
        float[] out = new float[arrayLength()];
        guarded(() -> {
            if (dtype == DType.F32 && isContiguous()) {
                MemorySegment.copy(segment, F32, 0, out, 0, out.length);
            } else {
                each((i, at) -> out[(int) i] = floatAt(at));
            }
            return out;
        });
        return out;
    }

    /** The elements of an {@link DType#I32}, {@link DType#I8} or {@link DType#U8} tensor as a new array. */
    public int[] toIntArray() {
        if (dtype == DType.I64) {
            throw new IllegalArgumentException("elements of I64 do not fit an int array; use toLongArray");
        }
        int[] out = new int[arrayLength()];
        guarded(() -> {
            if (dtype == DType.I32 && isContiguous()) {
                MemorySegment.copy(segment, I32, 0, out, 0, out.length);
            } else {
                each((i, at) -> out[(int) i] = (int) longAt(at));
            }
            return out;
        });
        return out;
    }

    /** The elements of an integer tensor as a new array. */
    public long[] toLongArray() {
        long[] out = new long[arrayLength()];
        guarded(() -> {
            each((i, at) -> out[(int) i] = longAt(at));
            return out;
        });
        return out;
    }

    private int arrayLength() {
        if (size() > Integer.MAX_VALUE - 8) {
            throw new IllegalArgumentException("a tensor of " + size() + " elements does not fit an array");
        }
        return (int) size();
    }

    /** Fills a float tensor with one value. */
    public Tensor fill(float value) {
        guarded(() -> {
            each((i, at) -> setFloatAt(at, value));
            return value;
        });
        return this;
    }

    /**
     * Copies the elements of another tensor of the same shape. Between float types they are converted, rounding to nearest
     * even; any other difference of types is refused.
     *
     * @throws IllegalArgumentException if shapes or types differ, or the two overlap
     */
    public Tensor copyFrom(Tensor source) {
        if (!shape.equals(source.shape)) {
            throw new IllegalArgumentException("source: shape " + source.shape + ", but this tensor has " + shape);
        }
        if (dtype != source.dtype && !(dtype.isFloating() && source.dtype.isFloating())) {
            throw new IllegalArgumentException("source: " + source.dtype + " cannot be copied into " + dtype);
        }
        if (overlaps(source)) {
            throw new IllegalArgumentException("source: overlaps this tensor");
        }
        try (Use _ = Use.of(this, source)) {
            if (dtype == source.dtype && isContiguous() && source.isContiguous()) {
                segment.asSlice(0, span0()).copyFrom(source.segment.asSlice(0, span0()));
            } else {
                long[] from = source.offsets();
                each((i, at) -> {
                    long s = source.offsetOf(i, from);
                    switch (dtype) {
                        case F32, F16, BF16 -> {
                            if (dtype == source.dtype && dtype != DType.F32) {
                                segment.set(I16, at, source.segment.get(I16, s));
                            } else {
                                setFloatAt(at, source.floatAt(s));
                            }
                        }
                        case I32 -> segment.set(I32, at, source.segment.get(I32, s));
                        case I64 -> segment.set(I64, at, source.segment.get(I64, s));
                        case I8, U8 -> segment.set(I8, at, source.segment.get(I8, s));
                    }
                });
            }
        }
        return this;
    }

    /** A copy in another float type, rounded to nearest even; this tensor if it has that type already. */
    public Tensor to(DType type) {
        return type == dtype ? this : zeros(type, shape.toArray()).copyFrom(this);
    }

    private long span0() {
        return size() * dtype.bytes();
    }

    private interface Visit {
        void at(long position, long byteOffset);
    }

    private void each(Visit visit) {
        long[] offsets = offsets();
        for (long i = 0; i < size(); i++) {
            visit.at(i, offsetOf(i, offsets));
        }
    }

    /** Row-major sizes of one step along each axis, to split a position into an index. */
    private long[] offsets() {
        return shape.strides();
    }

    private long offsetOf(long position, long[] steps) {
        if (strides.length == 1) {
            return position * strides[0] * dtype.bytes();
        }
        long at = 0;
        long rest = position;
        for (int k = 0; k < strides.length; k++) {
            at += rest / steps[k] * strides[k];
            rest %= steps[k];
        }
        return at * dtype.bytes();
    }

    // ------------------------------------------------------------------ life

    void acquire() {
        owner.acquire(generation);
    }

    void release() {
        try {
            owner.release();
        } finally {
            Reference.reachabilityFence(keeper);
        }
    }

    private void requireAlive() {
        owner.acquire(generation);
        owner.release();
    }

    private interface Action<T> {
        T run();
    }

    private <T> T guarded(Action<T> action) {
        acquire();
        try {
            return action.run();
        } finally {
            release();
        }
    }

    /**
     * Ends the life of this tensor and of all its views, and frees memory of its own. A tensor of a workspace or of a mapped
     * file ends with that instead.
     *
     * @throws IllegalStateException if an operation is using it, or it belongs to a workspace or a mapped file
     */
    @Override
    public void close() {
        if (keeper instanceof Workspace) {
            throw new IllegalStateException("a tensor of a workspace is closed by closing or resetting the workspace");
        }
        if (keeper instanceof MappedFile) {
            throw new IllegalStateException("a tensor of a mapped file is closed by closing the file");
        }
        if (owner.close()) {
            if (keeper instanceof Block block) {
                block.free();
            } else {
                LiveRanges.remove(segment.address());
            }
        }
    }

    /** Type and shape, and the elements where they are few. */
    @Override
    public String toString() {
        String head = dtype + " " + shape;
        if (!isAlive() || size() == 0 || size() > 16) {
            return head;
        }
        return head + " " + (dtype.isFloating() ? Arrays.toString(toFloatArray()) : Arrays.toString(toLongArray()));
    }
}
