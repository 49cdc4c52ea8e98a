// ingot-inspect: what is in an artifact, and whether its bytes are whole.
#include "tools/cli/exit_code.h"
#include "tools/ingot-inspect/describe.h"

#include <CLI/CLI.hpp>

namespace ingot {
namespace {

struct Options {
  std::string file;
  bool json = false, mlir = false, verify = false;
  MemoryQuestion memory;
};

void declare(CLI::App &app, Options *o) {
  app.set_version_flag("--version", "ingot-inspect " INGOT_VERSION);
  app.add_option("MODEL", o->file, "the .ingot file")->required();
  auto json = app.add_flag("--json", o->json, "as JSON");
  auto mlir = app.add_flag("--mlir", o->mlir, "the plan as IR of the plan dialect")->excludes(json);
  app.add_flag("--verify", o->verify, "hash every segment, weights included; prints nothing else")
      ->excludes(json)
      ->excludes(mlir);
  app.add_option("--sequences", o->memory.sequences, "memory for N sequences (default 1)")->check(CLI::Range(1, 65536));
  app.add_option("--tokens", o->memory.tokens, "of M tokens each (default: the model's limit)")
      ->check(CLI::Range(1, INT32_MAX));
  app.footer("Exit codes: 0 done, 1 bad input, 2 usage, 3 our own bug.");
}

Status inspect(const Options &options) {
  Artifact artifact;
  // Any level that this CPU could run will do: nothing of the code is executed.
  INGOT_TRY(Artifact::open(options.file.c_str(), {}, &artifact));
  if (options.verify) {
    INGOT_TRY(artifact.verify());
    printf("%s: every hash matches\n", artifact.name());
    return {};
  }
  std::string text = options.json   ? describe_json(artifact, options.memory) + "\n"
                     : options.mlir ? describe_mlir(artifact)
                                    : describe_text(artifact, options.memory);
  bool written = fwrite(text.data(), 1, text.size(), stdout) == text.size() && fflush(stdout) == 0;
  return written ? Status() : Status::error(Code::io, "cannot write to stdout");
}

int run(int argc, char **argv) {
  CLI::App app("Shows what is in a compiled model.", "ingot-inspect");
  Options options;
  declare(app, &options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    return app.exit(success);
  } catch (const CLI::ParseError &error) {
    fprintf(stderr, "ingot-inspect: %s\nTry --help.\n", error.what());
    return exit_usage;
  }
  Status status = inspect(options);
  if (!status.ok()) fprintf(stderr, "ingot-inspect: %s\n", status.message());
  return exit_code_of(status);
}

} // namespace
} // namespace ingot

int main(int argc, char **argv) {
  try {
    return ingot::run(argc, argv);
  } catch (const std::exception &error) {
    fprintf(stderr, "ingot-inspect: internal error: %s\n", error.what());
    return ingot::exit_bug;
  }
}
