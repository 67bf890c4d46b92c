package dev.heddle.bench;

import java.lang.ref.Reference;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.CompilationUnit;
import org.bytedeco.pytorch.Function;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.IValueVector;
import org.bytedeco.pytorch.QualifiedName;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** PyTorch as a peer: TorchScript functions over tensors that share memory with ours. */
public final class Torch {
    /** Owns the function; freed when nobody can reach it. */
    private final CompilationUnit unit;

    private final Function function;

    private Torch(CompilationUnit unit) {
        this.unit = unit;
        this.function = unit.find_function(new QualifiedName("f"));
    }

    /** The TorchScript function {@code f} of a source text. */
    public static Torch script(String source) {
        return new Torch(torch.compile(source));
    }

    /** Calls it; what it returns is dropped. */
    public void run(Object... arguments) {
        try (PointerScope _ = new PointerScope()) {
            apply(arguments);
        }
    }

    /** Calls it for its one float tensor. */
    public float[] floats(Object... arguments) {
        try (PointerScope _ = new PointerScope()) {
            Tensor t = apply(arguments).toTensor().contiguous();
            float[] out = new float[(int) t.numel()];
            t.data_ptr_float().get(out);
            return out;
        }
    }

    /** Calls it for the tensors of the tuple that it returns. */
    public Tensor[] tensors(Object... arguments) {
        try (PointerScope _ = new PointerScope()) {
            IValueVector elements = apply(arguments).toTupleRef().elements().vec();
            Tensor[] out = new Tensor[(int) elements.size()];
            for (int i = 0; i < out.length; i++) {
                out[i] = elements.get(i).toTensor().clone().retainReference();
            }
            return out;
        }
    }

    private IValue apply(Object[] arguments) {
        IValueVector stack = new IValueVector();
        for (Object a : arguments) {
            stack.push_back(value(a));
        }
        try {
            return function.apply(stack);
        } finally {
            Reference.reachabilityFence(unit);
        }
    }

    private static IValue value(Object a) {
        return switch (a) {
            case Tensor t -> new IValue(t);
            case Long l -> new IValue(l);
            case Double d -> new IValue(d);
            case Boolean b -> new IValue(b);
            default -> throw new IllegalArgumentException(a.getClass().toString());
        };
    }

    /** The same memory as a PyTorch tensor; {@code t} must outlive it. */
    public static Tensor view(dev.heddle.tensor.Tensor t) {
        ScalarType type = switch (t.dtype()) {
            case F32 -> ScalarType.Float;
            case I32 -> ScalarType.Int;
            case I64 -> ScalarType.Long;
            case U8 -> ScalarType.Byte;
            case I8 -> ScalarType.Char;
            case F16 -> ScalarType.Half;
            case BF16 -> ScalarType.BFloat16;
        };
        Pointer memory = new At(t.address());
        return torch.from_blob(memory, t.shape().toArray(), new TensorOptions(type))
                .retainReference();
    }

    /** A sparse CSR matrix of the given row pointers, columns and values. */
    public static Tensor csr(long[] indptr, int[] indices, dev.heddle.tensor.Tensor values, long columns) {
        long[] wide = new long[indices.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = indices[i];
        }
        Tensor rows = torch.tensor(indptr);
        Tensor cols = torch.tensor(wide);
        return torch.sparse_csr_tensor(
                        rows,
                        cols,
                        view(values).clone(),
                        new long[] {indptr.length - 1L, columns},
                        new TensorOptions(ScalarType.Float))
                .retainReference();
    }

    public static Tensor longs(int[] values) {
        long[] wide = new long[values.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = values[i];
        }
        return torch.tensor(wide).retainReference();
    }

    /** A pointer to a tensor's memory; {@code t} must outlive it. */
    public static FloatPointer floats(dev.heddle.tensor.Tensor t) {
        return new FloatPointer(new At(t.address()));
    }

    public static void threads(int n) {
        torch.set_num_threads(n);
    }

    /** A pointer to an address. */
    private static final class At extends LongPointer {
        At(long address) {
            super((Pointer) null);
            this.address = address;
        }
    }
}
