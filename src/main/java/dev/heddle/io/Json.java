package dev.heddle.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import dev.heddle.HeddleException;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A JSON document that strangers may have written, read token by token: one object in UTF-8, of little depth. Whatever is
 * wrong with it is a {@link HeddleException} that names the file.
 */
final class Json {
    private static final int MAX_DEPTH = 8;

    private final String file;
    private final JsonParser parser;

    private Json(String file, JsonParser parser) {
        this.file = file;
        this.parser = parser;
    }

    /** Jackson is needed by this package alone, so it may be missing. */
    private static final class Jackson {
        static final JsonFactory FACTORY = JsonFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(MAX_DEPTH)
                        .maxStringLength(Integer.MAX_VALUE)
                        .build())
                .build();
    }

    private static JsonFactory factory() {
        try {
            return Jackson.FACTORY;
        } catch (NoClassDefFoundError e) {
            throw new HeddleException(
                    "safetensors need com.fasterxml.jackson.core:jackson-core on the class path (on the module path also"
                            + " --add-modules com.fasterxml.jackson.core)",
                    e);
        }
    }

    @FunctionalInterface
    interface Reading {
        void run(Json in) throws IOException;
    }

    @FunctionalInterface
    interface Writing {
        void run(JsonGenerator out) throws IOException;
    }

    /** Reads one object, which must be all there is but for space behind it. */
    static void read(String file, byte[] text, Reading body) {
        var utf8 = new InputStreamReader(new ByteArrayInputStream(text), StandardCharsets.UTF_8.newDecoder());
        try (JsonParser parser = factory().createParser(utf8)) {
            Json in = new Json(file, parser);
            in.want(parser.nextToken(), JsonToken.START_OBJECT, "the JSON text");
            body.run(in);
            if (parser.nextToken() != null) {
                throw in.wrong("there is more behind the JSON object");
            }
        } catch (CharacterCodingException e) {
            throw new HeddleException(file + ": the JSON text is not UTF-8", e);
        } catch (StreamConstraintsException e) {
            throw new HeddleException(file + ": the JSON text is beyond a limit: " + e.getOriginalMessage(), e);
        } catch (JsonProcessingException e) {
            throw new HeddleException(
                    file + ": not JSON: " + e.getOriginalMessage() + ", at character "
                            + e.getLocation().getCharOffset(),
                    e);
        } catch (IOException e) {
            throw new HeddleException(file + ": " + e.getMessage(), e);
        }
    }

    static byte[] write(Writing body) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator out = factory().createGenerator(bytes)) {
            out.writeStartObject();
            body.run(out);
            out.writeEndObject();
        } catch (IOException e) {
            throw new HeddleException("cannot write JSON: " + e.getMessage(), e);
        }
        return bytes.toByteArray();
    }

    HeddleException wrong(String what) {
        return new HeddleException(file + ": " + what);
    }

    /** The next key of the object being read, null at its end. */
    @Nullable
    String nextKey() throws IOException {
        return parser.nextToken() == JsonToken.END_OBJECT ? null : parser.currentName();
    }

    /** Enters the object that comes next. */
    void object(String what) throws IOException {
        want(parser.nextToken(), JsonToken.START_OBJECT, what);
    }

    String string(String what) throws IOException {
        want(parser.nextToken(), JsonToken.VALUE_STRING, what);
        return parser.getText();
    }

    /** An array of non-negative integers. */
    long[] longs(String what, int limit) throws IOException {
        want(parser.nextToken(), JsonToken.START_ARRAY, what);
        long[] values = new long[limit];
        int n = 0;
        for (; parser.nextToken() != JsonToken.END_ARRAY; n++) {
            if (n == limit) {
                throw wrong(what + " has more than " + limit + " numbers");
            }
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT) {
                throw wrong(what + " holds " + shown() + ", must hold whole numbers");
            }
            if (parser.getText().startsWith("-")) {
                throw wrong(what + " holds " + shown() + ", must not be negative");
            }
            if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER) {
                throw wrong(what + " holds " + shown() + ", beyond 2^63");
            }
            values[n] = parser.getLongValue();
        }
        return Arrays.copyOf(values, n);
    }

    /** Passes over the value that comes next. */
    void skip() throws IOException {
        parser.nextToken();
        parser.skipChildren();
    }

    private void want(@Nullable JsonToken got, JsonToken wanted, String what) throws IOException {
        if (got != wanted) {
            throw wrong(what + " is " + (got == null ? "missing" : shown()) + ", must be " + noun(wanted));
        }
    }

    private String shown() throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            case VALUE_STRING -> "the string " + quote(parser.getText());
            default -> quote(parser.getText());
        };
    }

    private static String noun(JsonToken token) {
        return switch (token) {
            case START_OBJECT -> "an object";
            case START_ARRAY -> "an array";
            default -> "a string";
        };
    }

    /** A name as messages show it: in quotes, no control characters, not too long. */
    static String quote(String name) {
        StringBuilder s = new StringBuilder("'");
        name.codePoints()
                .limit(120)
                .forEach(c -> s.appendCodePoint(
                        Character.isISOControl(c) || Character.getType(c) == Character.SURROGATE ? '?' : c));
        return s.append(name.codePointCount(0, name.length()) > 120 ? "...'" : "'")
                .toString();
    }
}
