package dev.heddle.weave;

import java.lang.classfile.Label;
import org.jspecify.annotations.Nullable;

/** A body on its way into the kernel: the kernel's own, or that of a helper or lambda, with its part of the locals. */
final class Frame {
    static final int MAX_DEPTH = 32;

    /** How many steps a position names, so that a recursion does not fill the screen. */
    private static final int SHOWN = 4;

    final @Nullable Frame caller;
    final Body body;
    final int base;
    final Scope scope;

    /** Where returns go; null in the kernel itself, which really returns. */
    final @Nullable Label end;

    /** The current line of the source. */
    int line;

    private final int depth;

    private Frame(@Nullable Frame caller, Body body, int base, @Nullable Label end) {
        this.caller = caller;
        this.body = body;
        this.base = base;
        this.end = end;
        this.scope = new Scope(null, 0, body.code.size());
        this.depth = caller == null ? 0 : caller.depth + 1;
        if (depth > MAX_DEPTH) {
            throw new Refusal("helpers call each other more than " + MAX_DEPTH + " deep: recursion cannot be woven");
        }
    }

    static Frame ofKernel(Body body) {
        return new Frame(null, body, 0, null);
    }

    static Frame ofHelper(Frame caller, Body body, int base, Label end) {
        return new Frame(caller, body, base, end);
    }

    /** How many locals it takes: its own, and room for those vectors that become a long or a double. */
    int locals() {
        return body.maxLocals * (body.wide ? 3 : 1);
    }

    /** The local of the woven code for one of the body. */
    int slot(int local, @Nullable Lane lane) {
        if (lane == null || !lane.isWide()) {
            return base + local;
        }
        if (!body.wide) {
            throw new Refusal("a generic helper cannot take a vector of long or double");
        }
        return base + body.maxLocals + 2 * local;
    }

    boolean isKernel() {
        return caller == null;
    }

    /** The way from the kernel to here, each step with its file and line. */
    String position() {
        String here = isKernel() ? body.id() : body.id().replaceFirst("^.*\\.(?=[^.]*\\.)", "");
        return way() + here + " (" + body.file + ":" + line + ")";
    }

    private String way() {
        Frame from = caller;
        while (from != null && from.depth > SHOWN) {
            from = from.caller;
        }
        return from == null ? "" : from.position() + (from == caller ? " > " : " > ... > ");
    }
}
