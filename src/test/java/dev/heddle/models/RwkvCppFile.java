package dev.heddle.models;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** Reads rwkv.cpp's model files, as a state_dict with the names and the meaning that BlinkDL's checkpoints have. */
final class RwkvCppFile {
    private static final int MAGIC = 0x67676d66;

    private RwkvCppFile() {}

    static Map<String, Tensor> read(Path path) throws IOException {
        ByteBuffer in = ByteBuffer.wrap(Files.readAllBytes(path)).order(ByteOrder.LITTLE_ENDIAN);
        if (in.getInt() != MAGIC || in.getInt() != 100) {
            throw new IOException(path + " is no model file of version 100");
        }
        in.position(in.position() + 16); // sizes, which the tensors tell too
        Map<String, Tensor> all = new LinkedHashMap<>();
        while (in.hasRemaining()) {
            int axes = in.getInt();
            byte[] name = new byte[in.getInt()];
            DType type = in.getInt() == 0 ? DType.F32 : DType.F16;
            long[] shape = new long[axes];
            long size = type.bytes();
            for (int i = axes - 1; i >= 0; i--) {
                shape[i] = in.getInt();
                size *= shape[i];
            }
            in.get(name);
            byte[] data = new byte[Math.toIntExact(size)];
            in.get(data);
            String key = new String(name, StandardCharsets.UTF_8);
            Tensor t = Tensor.copyOf(MemorySegment.ofArray(data), type, shape).to(DType.F32);
            all.put(key, key.endsWith("time_decay") ? undone(t) : t);
        }
        return all;
    }

    /** These files hold {@code -e^t} where checkpoints hold t. */
    private static Tensor undone(Tensor w) {
        float[] v = w.toFloatArray();
        for (int i = 0; i < v.length; i++) {
            v[i] = (float) Math.log(-v[i]);
        }
        return Tensor.of(v, v.length);
    }
}
