package dev.heddle.weave;

import java.util.List;

/**
 * What a template class is woven into.
 *
 * @param name the package of the woven classes, relative to the parent of the templates' package
 * @param lanes how many float lanes a vector has; with one, vectors become scalars
 * @param checked whether loads and stores verify their addresses
 */
public record Target(String name, int lanes, boolean checked) {
    /** The targets that ship. */
    public static final List<Target> PLAIN = List.of(
            new Target("scalar", 1, false),
            new Target("vector128", 4, false),
            new Target("vector256", 8, false),
            new Target("vector512", 16, false));

    /** Their twins for tests, with every load and store checked. */
    public static final List<Target> CHECKED = PLAIN.stream()
            .map(t -> new Target("checked/" + t.name, t.lanes, true))
            .toList();

    boolean oneLane() {
        return lanes == 1;
    }

    /** The package of the woven classes of a package of templates, both in internal form. */
    String packageFor(String templates) {
        return templates.substring(0, templates.lastIndexOf('/') + 1) + name;
    }

    /** The target of that name. */
    static Target named(String name) {
        return java.util.stream.Stream.concat(PLAIN.stream(), CHECKED.stream())
                .filter(t -> t.name.equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("no target " + name));
    }
}
