package dev.heddle.op;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.heddle.tensor.DType;
import dev.heddle.tensor.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class ChecksTest {
    private final Tensor t = Tensor.zeros(DType.F32, 2, 3, 8);

    @Test
    void messagesNameTheArgumentAndBothSides() {
        refused("x: elements are F32, must be I32", () -> Checks.type("x", t, DType.I32));
        refused("x: shape [2, 3, 8] has 3 axes, must have 2", () -> Checks.rank("x", t, 2));
        refused("x: shape [2, 3, 8], must be [2, 3, 9]", () -> Checks.shape("x", t, DType.F32, 2, 3, 9));
        refused("x: shape [2, 3, 8], must be [2, 3]", () -> Checks.shape("x", t, DType.F32, 2, 3));
        refused(
                "x: shape [2, 3, 8], must be that of y, [3, 8]",
                () -> Checks.like("x", t, DType.F32, "y", t.select(0, 1)));
        assertDoesNotThrow(() -> Checks.shape("x", t, DType.F32, 2, 3, 8));
    }

    @Test
    void rowsMayLieApart() {
        assertEquals(32, Checks.rowBytes("x", t));
        assertEquals(6, Checks.rows(t));
        assertEquals(32, Checks.rowBytes("x", t.slice(2, 1, 4)));
        assertEquals(96, Checks.rowBytes("x", t.select(1, 2)));
        assertEquals(32, Checks.rowBytes("x", t.slice(0, 1, 2).slice(1, 0, 2)));
        assertEquals(12, Checks.rowBytes("x", t.slice(0, 0, 1).slice(1, 0, 1).slice(2, 0, 3)));
        assertEquals(4, Checks.rowBytes("x", Tensor.zeros(DType.F32, 0, 1)));
    }

    @Test
    void unevenRowsAreRefused() {
        refused(
                "x: a view of shape [2, 2, 8] with gaps along axis 0; pass x.contiguous()",
                () -> Checks.rowBytes("x", t.slice(1, 0, 2)));
        refused(
                "x: a view of shape [2, 8, 3] with gaps along the last axis; pass x.contiguous()",
                () -> Checks.rowBytes("x", t.transpose(1, 2)));
        refused(
                "x: a view of shape [2, 3, 4] with gaps; pass x.contiguous()",
                () -> Checks.contiguous("x", t.slice(2, 0, 4)));
    }

    @Test
    void overlapIsRefused() {
        Tensor rows = t.reshape(6, 8);
        refused("y: shape [3, 8], overlaps x of shape [2, 3, 8]", () -> Checks.apart("y", t.select(0, 1), "x", t));
        assertDoesNotThrow(() -> Checks.apart("y", rows.slice(1, 0, 4), "x", rows.slice(1, 4, 8)));
        assertDoesNotThrow(() -> Checks.apart("y", null, "x", t));
    }

    private static void refused(String message, Executable check) {
        assertEquals(
                message, assertThrows(IllegalArgumentException.class, check).getMessage());
    }
}
