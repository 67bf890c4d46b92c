package dev.heddle.io;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.HeddleException;
import java.io.IOException;
import java.io.OutputStream;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EdgeCsvTest {
    private static EdgeCsv.Edges read(EdgeCsv.Builder b, String text) throws IOException {
        return b.build().read(new StringReader(text), "edges.csv");
    }

    @Test
    void readsNumberedNodes() throws IOException {
        EdgeCsv.Edges e = read(EdgeCsv.builder(), "# a comment\n0,1\n\n5, 2\n");
        assertArrayEquals(new int[] {0, 5}, e.edges().src().toIntArray());
        assertArrayEquals(new int[] {1, 2}, e.edges().dst().toIntArray());
        assertEquals(6, e.edges().nSrc());
        assertNull(e.edges().weights());
        assertNull(e.times());
        assertEquals(List.of(), e.names());
        assertEquals(9, read(EdgeCsv.builder().nodes(9), "0,1\n").edges().nDst());
        assertEquals(0, read(EdgeCsv.builder(), "").edges().nSrc());
    }

    @Test
    void readsNamesWeightsAndTimesByTheHeader() throws IOException {
        EdgeCsv.Edges e = read(
                EdgeCsv.builder()
                        .separator(';')
                        .named(true)
                        .ends("from", "to")
                        .weight("w")
                        .time("when"),
                "when;to;from;w\n7;\"B; b\";a;0.5\n-3;a;c;2e3\n");
        assertEquals(List.of("a", "B; b", "c"), e.names());
        assertArrayEquals(new int[] {0, 2}, e.edges().src().toIntArray());
        assertArrayEquals(new int[] {1, 0}, e.edges().dst().toIntArray());
        assertArrayEquals(new float[] {0.5f, 2000}, e.edges().weights().toFloatArray());
        assertArrayEquals(new long[] {7, -3}, e.times().toLongArray());
    }

    @Test
    void readsManyLinesOfAPackedFile(@TempDir Path dir) throws IOException {
        Path file = dir.resolve("edges.tsv.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(file))) {
            for (int i = 0; i < 5000; i++) {
                out.write((i + "\t" + i / 2 + "\t" + 2 * i + "\n").getBytes(StandardCharsets.UTF_8));
            }
        }
        EdgeCsv.Edges e = EdgeCsv.builder().separator('\t').weight(2).build().read(file);
        assertEquals(5000, e.edges().size());
        assertEquals(4999, e.edges().src().getLong(4999));
        assertEquals(2499, e.edges().dst().getLong(4999));
        assertEquals(9998f, e.edges().weights().getFloat(4999));
    }

    private static void refused(String says, EdgeCsv.Builder b, String text) {
        assertEquals(
                says, assertThrows(HeddleException.class, () -> read(b, text)).getMessage());
    }

    @Test
    void namesTheLineThatIsWrong() {
        refused("edges.csv:2: not a number of a node: 'x'", EdgeCsv.builder(), "0,1\nx,1\n");
        refused("edges.csv:1: there is no node -1", EdgeCsv.builder(), "0,-1\n");
        refused("edges.csv:2: there is no node 3", EdgeCsv.builder().nodes(3), "0,1\n0,3\n");
        refused("edges.csv:3: column 1 is missing, there are 1", EdgeCsv.builder(), "0,1\n0,1\n7\n");
        refused(
                "edges.csv:1: no column 'to', there are [from, dest]",
                EdgeCsv.builder().ends("from", "to"),
                "from,dest\n");
        refused(
                "edges.csv:1: not a number: For input string: \"heavy\"",
                EdgeCsv.builder().weight(2),
                "0,1,heavy\n");
        assertThrows(HeddleException.class, () -> read(EdgeCsv.builder(), "0,1\n\"0,1\n"));
    }

    @Test
    void refusesBadOptions() {
        assertThrows(IllegalArgumentException.class, () -> EdgeCsv.builder().ends(-1, 0));
        assertThrows(
                IllegalArgumentException.class,
                () -> EdgeCsv.builder().named(true).nodes(4).build());
    }
}
