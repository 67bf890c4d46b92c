package dev.heddle.reference;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A golden file of floats under {@code src/test/resources/golden}, read without the help of what it tests.
 *
 * @param tensors all of them, flat, in file order of their elements
 * @param metadata parameters and tolerances
 */
public record Golden(Map<String, float[]> tensors, Map<String, String> metadata) {
    private static final Pattern TENSOR =
            Pattern.compile("\"([^\"]+)\": *\\{\"dtype\": *\"F32\".*?\"data_offsets\": *\\[(\\d+), *(\\d+)]");
    private static final Pattern METADATA = Pattern.compile("\"__metadata__\": *\\{(.*?)}");
    private static final Pattern ENTRY = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*)\": *\"((?:[^\"\\\\]|\\\\.)*)\"");

    public static Golden read(String op, String name) {
        String resource = "/golden/" + op + "/" + name + ".safetensors";
        try (InputStream in = Golden.class.getResourceAsStream(resource)) {
            if (in == null) {
                throw new IllegalArgumentException(resource + " is missing");
            }
            return parse(in.readAllBytes());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Golden parse(byte[] bytes) {
        ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        int length = (int) file.getLong(0);
        String header = new String(bytes, 8, length, StandardCharsets.UTF_8);
        Map<String, String> metadata = new HashMap<>();
        Matcher m = METADATA.matcher(header);
        if (m.find()) {
            Matcher e = ENTRY.matcher(m.group(1));
            while (e.find()) {
                metadata.put(e.group(1), e.group(2));
            }
        }
        Map<String, float[]> tensors = new HashMap<>();
        Matcher t = TENSOR.matcher(header);
        while (t.find()) {
            int begin = Integer.parseInt(t.group(2));
            float[] v = new float[(Integer.parseInt(t.group(3)) - begin) / 4];
            file.slice(8 + length + begin, 4 * v.length)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .asFloatBuffer()
                    .get(v);
            tensors.put(t.group(1), v);
        }
        return new Golden(tensors, metadata);
    }

    public boolean has(String tensor) {
        return tensors.containsKey(tensor);
    }

    public float[] tensor(String name) {
        float[] v = tensors.get(name);
        if (v == null) {
            throw new IllegalArgumentException(name + " is missing, there are " + tensors.keySet());
        }
        return v;
    }

    /** What is wrong with an output's first wrong element, or an empty string. */
    public String difference(String output, float[] got) {
        float[] want = tensor("out." + output);
        if (got.length != want.length) {
            return output + " has " + got.length + " elements, must have " + want.length;
        }
        double relative = Double.parseDouble(metadata.get("rtol"));
        double absolute = Double.parseDouble(metadata.get("atol." + output));
        for (int i = 0; i < want.length; i++) {
            boolean same = Float.isNaN(want[i]) ? Float.isNaN(got[i]) : got[i] == want[i];
            if (!same && !(Math.abs((double) got[i] - want[i]) <= absolute + relative * Math.abs(want[i]))) {
                return output + "[" + i + "] is " + got[i] + ", must be " + want[i];
            }
        }
        return "";
    }
}
