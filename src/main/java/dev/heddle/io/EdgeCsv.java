package dev.heddle.io;

import de.siegmar.fastcsv.reader.CommentStrategy;
import de.siegmar.fastcsv.reader.CsvParseException;
import de.siegmar.fastcsv.reader.CsvReader;
import de.siegmar.fastcsv.reader.CsvRecord;
import dev.heddle.HeddleException;
import dev.heddle.graph.EdgeList;
import dev.heddle.tensor.Tensor;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads edges from text: a line each, columns for source and destination, perhaps for a weight and a time (RFC 4180; other
 * separators; lines that start with {@code #} are comments; files that end in {@code .gz} are unpacked). Nodes are numbers from 0,
 * or names, which are numbered as they come. Needs the library FastCSV at run time.
 *
 * <pre>{@code
 * EdgeCsv.Edges e = EdgeCsv.builder().separator('\t').build().read(Path.of("soc-Epinions1.txt.gz"));
 * }</pre>
 */
public final class EdgeCsv {
    private static final int NONE = -1;

    private final char separator;
    private final boolean header;
    private final boolean named;
    private final long nodes;
    private final Column source;
    private final Column destination;
    private final Column weight;
    private final Column time;

    /** A column by its number, or by its name in the header. */
    private record Column(int number, @Nullable String name) {
        boolean isWanted() {
            return number != NONE || name != null;
        }
    }

    private EdgeCsv(Builder b) {
        separator = b.separator;
        header = b.header;
        named = b.named;
        nodes = b.nodes;
        source = b.source;
        destination = b.destination;
        weight = b.weight;
        time = b.time;
    }

    public static Builder builder() {
        return new Builder();
    }

    /** Defaults: commas, no header, numbered nodes, source and destination in columns 0 and 1, nothing else. */
    public static final class Builder {
        private char separator = ',';
        private boolean header;
        private boolean named;
        private long nodes = NONE;
        private Column source = new Column(0, null);
        private Column destination = new Column(1, null);
        private Column weight = new Column(NONE, null);
        private Column time = new Column(NONE, null);

        private Builder() {}

        /** What stands between columns. */
        public Builder separator(char separator) {
            this.separator = separator;
            return this;
        }

        /** Whether the first line names the columns. */
        public Builder header(boolean header) {
            this.header = header;
            return this;
        }

        /** Whether nodes have names rather than numbers. */
        public Builder named(boolean named) {
            this.named = named;
            return this;
        }

        /** How many nodes there are, for numbered ones; else one more than the largest number. */
        public Builder nodes(long nodes) {
            this.nodes = nodes;
            return this;
        }

        /** The columns of source and destination. */
        public Builder ends(int source, int destination) {
            this.source = new Column(column(source), null);
            this.destination = new Column(column(destination), null);
            return this;
        }

        /** The columns of source and destination, as the header calls them. */
        public Builder ends(String source, String destination) {
            this.source = new Column(NONE, source);
            this.destination = new Column(NONE, destination);
            return header(true);
        }

        /** The column of a weight. */
        public Builder weight(int column) {
            this.weight = new Column(column(column), null);
            return this;
        }

        /** The column of a weight, as the header calls it. */
        public Builder weight(String column) {
            this.weight = new Column(NONE, column);
            return header(true);
        }

        /** The column of a time, a whole number. */
        public Builder time(int column) {
            this.time = new Column(column(column), null);
            return this;
        }

        /** The column of a time, as the header calls it. */
        public Builder time(String column) {
            this.time = new Column(NONE, column);
            return header(true);
        }

        private static int column(int number) {
            if (number < 0) {
                throw new IllegalArgumentException("column: " + number + " is negative");
            }
            return number;
        }

        public EdgeCsv build() {
            if (named && nodes != NONE) {
                throw new IllegalArgumentException("nodes: named ones are counted as they come");
            }
            return new EdgeCsv(this);
        }
    }

    /**
     * What was read.
     *
     * @param edges in the order of the lines
     * @param times int64 {@code [E]}, or null
     * @param names the name of each node; empty if they are numbers
     */
    public record Edges(EdgeList edges, @Nullable Tensor times, List<String> names) {}

    /**
     * Reads a file.
     *
     * @throws HeddleException if a line is malformed, naming it
     */
    public Edges read(Path path) throws IOException {
        try (InputStream in = new BufferedInputStream(Files.newInputStream(path));
                InputStream text = path.toString().endsWith(".gz") ? new GZIPInputStream(in, 1 << 16) : in;
                Reader reader = new InputStreamReader(text, StandardCharsets.UTF_8)) {
            return read(reader, path.toString());
        }
    }

    /**
     * Reads text.
     *
     * @param name what messages call it
     */
    public Edges read(Reader reader, String name) throws IOException {
        try (CsvReader<CsvRecord> csv = CsvReader.builder()
                .fieldSeparator(separator)
                .commentStrategy(CommentStrategy.SKIP)
                .allowMissingFields(true)
                .allowExtraFields(true)
                .ofCsvRecord(reader)) {
            Lines lines = new Lines(name);
            for (CsvRecord record : csv) {
                lines.add(record);
            }
            return lines.edges();
        } catch (CsvParseException e) {
            throw new HeddleException(name + ": " + e.getMessage(), e);
        }
    }

    /** The lines read so far. */
    private final class Lines {
        private final String file;
        private final Map<String, Integer> numbers = new HashMap<>();
        private final List<String> names = new ArrayList<>();
        private final int[] columns = new int[4];
        private boolean columnsKnown;
        private int[] src = new int[1024];
        private int[] dst = new int[1024];
        private float[] weights = new float[1024];
        private long[] times = new long[1024];
        private long largest = -1;
        private int n;

        Lines(String file) {
            this.file = file;
        }

        void add(CsvRecord record) {
            if (!columnsKnown) {
                columnsKnown = true;
                columns[0] = find(source, record);
                columns[1] = find(destination, record);
                columns[2] = find(weight, record);
                columns[3] = find(time, record);
                if (header) {
                    return;
                }
            }
            if (n == src.length) {
                src = Arrays.copyOf(src, 2 * n);
                dst = Arrays.copyOf(dst, 2 * n);
                weights = Arrays.copyOf(weights, 2 * n);
                times = Arrays.copyOf(times, 2 * n);
            }
            src[n] = node(record, columns[0]);
            dst[n] = node(record, columns[1]);
            try {
                weights[n] = weight.isWanted() ? Float.parseFloat(field(record, columns[2])) : 0;
                times[n] = time.isWanted() ? Long.parseLong(field(record, columns[3])) : 0;
            } catch (NumberFormatException e) {
                throw wrong(record, "not a number: " + e.getMessage(), e);
            }
            n++;
        }

        private int find(Column column, CsvRecord first) {
            if (column.name == null) {
                return column.number;
            }
            int at = first.getFields().indexOf(column.name);
            if (at < 0) {
                throw wrong(first, "no column '" + column.name + "', there are " + first.getFields());
            }
            return at;
        }

        private String field(CsvRecord record, int column) {
            if (column >= record.getFieldCount()) {
                throw wrong(record, "column " + column + " is missing, there are " + record.getFieldCount());
            }
            return record.getField(column).strip();
        }

        private int node(CsvRecord record, int column) {
            String text = field(record, column);
            if (named) {
                return numbers.computeIfAbsent(text, name -> {
                    names.add(name);
                    return names.size() - 1;
                });
            }
            try {
                int node = Integer.parseInt(text);
                if (node < 0 || (nodes != NONE && node >= nodes)) {
                    throw wrong(record, "there is no node " + node);
                }
                largest = Math.max(largest, node);
                return node;
            } catch (NumberFormatException e) {
                throw wrong(record, "not a number of a node: '" + text + "'", e);
            }
        }

        private HeddleException wrong(CsvRecord record, String what) {
            return new HeddleException(place(record) + what);
        }

        private HeddleException wrong(CsvRecord record, String what, Throwable cause) {
            return new HeddleException(place(record) + what, cause);
        }

        private String place(CsvRecord record) {
            return file + ":" + record.getStartingLineNumber() + ": ";
        }

        Edges edges() {
            long count = named ? names.size() : nodes != NONE ? nodes : largest + 1;
            EdgeList list = EdgeList.of(
                    Tensor.of(Arrays.copyOf(src, n), n),
                    Tensor.of(Arrays.copyOf(dst, n), n),
                    weight.isWanted() ? Tensor.of(Arrays.copyOf(weights, n), n) : null,
                    count,
                    count);
            Tensor at = time.isWanted() ? Tensor.of(Arrays.copyOf(times, n), n) : null;
            return new Edges(list, at, List.copyOf(names));
        }
    }
}
