#include "tools/ingot-bench/options.h"
#include "runtime/device/device.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/size.h"

#include <CLI/CLI.hpp>

namespace ingot {
namespace {

struct Lists {
  std::string prompts, tokens, depths, batches, threads, steps;
};

// Reads a list option that was given: every entry at least `least`. An error text, or "".
std::string read_list(const CLI::App &app, const char *name, const std::string &text, int32_t least,
                      std::vector<int32_t> *numbers) {
  if (!app.count(name)) return "";
  bool good = parse_list(text, numbers);
  for (int32_t number : *numbers) good &= number >= least && number <= 1 << 24;
  return good ? "" : std::string(name) + ": '" + text + "' is not a list of numbers from " + std::to_string(least);
}

std::string finish(const CLI::App &app, const Lists &lists, BenchOptions *o) {
  for (std::string wrong :
       {read_list(app, "-p", lists.prompts, 1, &o->prompts), read_list(app, "-n", lists.tokens, 1, &o->tokens),
        read_list(app, "-d", lists.depths, 0, &o->depths), read_list(app, "-b", lists.batches, 1, &o->batches),
        read_list(app, "--steps", lists.steps, 1, &o->steps), read_list(app, "-t", lists.threads, 1, &o->threads)})
    if (!wrong.empty()) return wrong;
  for (int32_t rows : o->steps)
    if (rows > 32768) return "--steps: at most 32768 rows";
  for (int32_t batch : o->batches)
    if (batch > 4096) return "-b: at most 4096 sequences";
  for (int32_t threads : o->threads)
    if (threads > 1024) return "-t: at most 1024 threads";
  return "";
}

// A check of --device: what is wrong, or "".
std::string is_device(const std::string &text) {
  DeviceChoice choice;
  return parse_device(text.c_str(), &choice).message();
}

} // namespace

bool parse_options(int argc, char **argv, BenchOptions *options, int *exit_code) {
  CLI::App app("Measures a compiled model against this machine's read limit.", "ingot-bench");
  Lists lists;
  std::vector<std::string> quality;
  app.set_version_flag("--version", "ingot-bench " INGOT_VERSION);
  app.add_option("MODEL", options->model, "the .ingot file")->required();
  app.add_option("-p", lists.prompts, "prompt lengths to feed (default 128,512; empty: none)");
  app.add_option("-n", lists.tokens, "numbers of tokens to decode (default 128; empty: none)");
  app.add_option("-d", lists.depths, "context before them (default 0)");
  app.add_option("-b", lists.batches, "sequences that decode side by side (default 1)");
  app.add_option("--device", options->device,
                 "cpu, cuda or cuda:N (default: cpu if the model has code for it, else cuda)")
      ->check(is_device);
  app.add_option("-t", lists.threads, "threads of the CPU (default: what affinity and cgroup allow)");
  app.add_option("-r", options->repeats, "repeats, interleaved (default 5)")->check(CLI::Range(1, 1000));
  app.add_flag("--json", options->json, "one JSON object");
  app.add_option(
      "--steps", lists.steps,
      "instead: the time of each kernel in a step of so many rows, against the machine's read and multiply limits");
  app.add_flag("--random-weights", options->random_weights,
               "seeded random weights in the place of the file's (for artifacts made with --no-weights)");
  app.add_option("--quality", quality, "REF.ingot TEXT: KL divergence, top-1 agreement, perplexity on a text file")
      ->expected(2);
  app.add_option("--chunk", options->chunk,
                 "tokens that --quality feeds at a time (default 32): the figures stay the same")
      ->check(CLI::Range(1, 2048));
  app.footer(
      "tok/s: median, least and most of the repeats. read: bytes of weights a token x tok/s, as a fraction of the\n"
      "best read probe of the same run and thread count (or GPU). Exit codes: 0 done, 1 bad input, 2 usage, 3 our own\n"
      "bug, 4 the GPU was lost.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) {
    *exit_code = app.exit(success);
    return false;
  } catch (const CLI::ParseError &error) {
    fprintf(stderr, "ingot-bench: %s\nTry --help.\n", error.what());
    *exit_code = exit_usage;
    return false;
  }
  if (!quality.empty()) {
    options->reference = quality[0];
    options->text = quality[1];
  }
  std::string wrong = finish(app, lists, options);
  if (wrong.empty()) return true;
  fprintf(stderr, "ingot-bench: %s\nTry --help.\n", wrong.c_str());
  *exit_code = exit_usage;
  return false;
}

} // namespace ingot
