package dev.heddle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.source.doctree.DocCommentTree;
import com.sun.source.tree.ClassTree;
import com.sun.source.tree.CompilationUnitTree;
import com.sun.source.tree.MethodTree;
import com.sun.source.tree.ModifiersTree;
import com.sun.source.tree.Tree;
import com.sun.source.tree.VariableTree;
import com.sun.source.util.DocTrees;
import com.sun.source.util.JavacTask;
import com.sun.source.util.TreePathScanner;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.lang.model.element.Modifier;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;

/** Everything that the API exports says what it is; what is wrong with a comment that is there, javac tells. */
class DocumentationTest {
    @Test
    void everythingExportedHasAComment() throws IOException {
        JavaCompiler javac = ToolProvider.getSystemJavaCompiler();
        try (StandardJavaFileManager files = javac.getStandardFileManager(null, null, null)) {
            JavacTask task = (JavacTask)
                    javac.getTask(null, files, null, null, null, files.getJavaFileObjectsFromPaths(exportedSources()));
            Uncommented uncommented = new Uncommented(DocTrees.instance(task));
            uncommented.scan(task.parse(), null);
            assertTrue(uncommented.seen > 100, "only " + uncommented.seen + " members seen");
            assertEquals("", String.join("\n", uncommented.found), "members without a comment");
        }
    }

    private static List<Path> exportedSources() throws IOException {
        Path root = Path.of("src/main/java");
        List<Path> sources = new ArrayList<>();
        for (String exported : ArchitectureTest.exportedPackages()) {
            try (Stream<Path> files = Files.list(root.resolve(exported.replace('.', '/')))) {
                files.filter(f -> f.toString().endsWith(".java")).forEach(sources::add);
            }
        }
        return sources;
    }

    /** Collects the public and protected members of public classes that lack a comment, or its first sentence. */
    private static final class Uncommented extends TreePathScanner<Void, Void> {
        private final DocTrees docs;
        private final List<String> found = new ArrayList<>();
        private int seen;

        Uncommented(DocTrees docs) {
            this.docs = docs;
        }

        @Override
        public Void visitClass(ClassTree type, Void unused) {
            if (!isExported(type.getModifiers())) {
                return null;
            }
            check(type.getSimpleName(), type);
            return super.visitClass(type, null);
        }

        @Override
        public Void visitMethod(MethodTree method, Void unused) {
            boolean evident = method.getName().contentEquals("builder")
                    || method.getName().contentEquals("build");
            boolean inherits = method.getModifiers().getAnnotations().stream()
                    .anyMatch(a -> a.getAnnotationType().toString().equals("Override"));
            if (isExported(method.getModifiers()) && !evident && !inherits) {
                check(method.getName(), method);
            }
            return null;
        }

        @Override
        public Void visitVariable(VariableTree field, Void unused) {
            boolean constant = enclosing().getKind() == Tree.Kind.ENUM;
            if (isExported(field.getModifiers()) && !constant) {
                check(field.getName(), field);
            }
            return null;
        }

        private void check(CharSequence name, Tree member) {
            seen++;
            DocCommentTree comment = docs.getDocCommentTree(getCurrentPath());
            if (comment == null || comment.getFirstSentence().isEmpty()) {
                CompilationUnitTree file = getCurrentPath().getCompilationUnit();
                long line = file.getLineMap()
                        .getLineNumber(docs.getSourcePositions().getStartPosition(file, member));
                found.add(file.getSourceFile().getName() + ":" + line + ": " + name);
            }
        }

        private boolean isExported(ModifiersTree modifiers) {
            return modifiers.getFlags().contains(Modifier.PUBLIC)
                    || modifiers.getFlags().contains(Modifier.PROTECTED)
                    || enclosing().getKind() == Tree.Kind.INTERFACE;
        }

        private Tree enclosing() {
            return getCurrentPath().getParentPath().getLeaf();
        }
    }
}
