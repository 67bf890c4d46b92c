package dev.heddle.cli;

import java.io.PrintWriter;
import java.lang.module.ModuleDescriptor;
import java.nio.charset.Charset;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The command line. */
@Command(
        name = "heddle",
        description = "A numeric engine for graphs and sequences, on the Vector API.",
        mixinStandardHelpOptions = true,
        versionProvider = Main.Version.class,
        subcommands = {InfoCommand.class, VerifyCommand.class, DemoCommand.class, BenchCommand.class})
public final class Main implements Runnable {
    @Spec
    private @Nullable CommandSpec spec;

    private Main() {}

    /** Where a command prints. */
    static PrintWriter out(@Nullable CommandSpec spec) {
        return spec != null ? spec.commandLine().getOut() : new PrintWriter(System.out, true, Charset.defaultCharset());
    }

    public static void main(String[] args) {
        System.exit(new CommandLine(new Main()).execute(args));
    }

    @Override
    public void run() {
        if (spec != null) {
            spec.commandLine().usage(spec.commandLine().getOut());
        }
    }

    static final class Version implements IVersionProvider {
        @Override
        public String[] getVersion() {
            // The manifest has it on the class path, the descriptor on the module path; neither where classes run
            // unpacked.
            String version = Optional.ofNullable(Main.class.getPackage().getImplementationVersion())
                    .or(() -> Optional.ofNullable(Main.class.getModule().getDescriptor())
                            .flatMap(ModuleDescriptor::rawVersion))
                    .orElse("(unpacked)");
            return new String[] {"heddle " + version + ", Java " + Runtime.version()};
        }
    }
}
