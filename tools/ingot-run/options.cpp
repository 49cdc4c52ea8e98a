#include "tools/ingot-run/options.h"
#include "runtime/device/device.h"
#include "runtime/sample/sampler.h"
#include "tools/cli/exit_code.h"
#include "tools/cli/size.h"

#include <CLI/CLI.hpp>

namespace ingot {
namespace {

const char *const closing =
    "Text streams to stdout, everything else goes to stderr. Without -n it runs until the "
    "model ends its text, a --stop\n"
    "string appears or the context is full (the reason is printed).\n"
    "Exit codes: 0 done, 1 bad input, 2 usage, 3 our own bug, 4 the GPU was lost, 130 interrupted by "
    "Ctrl-C.\n"
    "Environment: INGOT_CPU=v3|v4 forces a level of generated code; INGOT_CUDA_DRIVER names "
    "the driver library,\n"
    "INGOT_CUDA_WATCHDOG=SECONDS how long a step on the GPU may take (default 60, 0: for ever).";

// CLI11 wraps a negative 64-bit number round.
std::string not_negative(const std::string &text) { return text.starts_with('-') ? "'" + text + "' is negative" : ""; }

void add_prompt(CLI::App &app, RunOptions *o, std::string *tokens) {
  app.add_option("MODEL", o->model, "the .ingot file")->required();
  auto prompt = app.add_option("-p,--prompt", o->prompt, "text to continue (with --chat: one user turn)");
  auto file = app.add_option("--prompt-file", o->prompt_file, "the same from a file (- is stdin)");
  auto ids = app.add_option("--tokens", *tokens, "token ids to continue, 1,2,3");
  auto chat = app.add_flag("--chat", o->chat, "converse through the model's chat template; turns from the terminal");
  app.add_option("--system", o->system, "system message of the chat")->needs(chat);
  prompt->excludes(file)->excludes(ids);
  file->excludes(ids);
  ids->excludes(chat);
}

void add_sampling(CLI::App &app, RunOptions *o) {
  app.add_option("-n", o->most_tokens, "new tokens at most (0: only feed the prompt)")->check(not_negative);
  app.add_option("--temperature", o->temperature, "0: greedy (the default without a generation_config)");
  app.add_option("--top-k", o->top_k, "sample from the K most likely (0: all)");
  app.add_option("--top-p", o->top_p, "sample from the smallest set of this probability");
  app.add_option("--min-p", o->min_p, "drop tokens below this fraction of the likeliest");
  app.add_option("--repetition-penalty", o->repetition_penalty, "above 1: tokens that occurred are less likely");
  app.add_option("--seed", o->seed, "of the sampler (default 0)")->check(not_negative);
  app.add_option("--stop", o->stop, "end before this text; may be given more than once")->allow_extra_args(false);
  app.add_flag("--ignore-eos", o->ignore_eos, "go on after an end-of-sequence token");
}

void add_output(CLI::App &app, RunOptions *o) {
  app.add_flag("--print-tokens", o->print_tokens, "print ids, comma separated, instead of text");
  app.add_option("--logits", o->logits_file, "write float32 [tokens fed, vocab] as .npy");
  auto stats = app.add_flag("--stats", o->stats, "print load time, time to first token, speeds, memory");
  app.add_flag("--json", o->json, "--stats as JSON")->needs(stats);
  app.add_option("--profile", o->profile_file, "write a trace for Perfetto (ui.perfetto.dev)");
}

// A check of --device: what is wrong, or "".
std::string is_device(const std::string &text) {
  if (text == "list") throw CLI::CallForVersion(list_devices(), 0); // shows it and ends well
  DeviceChoice choice;
  return parse_device(text.c_str(), &choice).message();
}

void add_machine(CLI::App &app, RunOptions *o, std::string *kv_memory) {
  app.add_option("--chunk", o->chunk, "feed the prompt N tokens at a time")->check(CLI::Range(1, 32768));
  app.add_option("--device", o->device,
                 "cpu, cuda or cuda:N (default: cpu if the model has code for it, else cuda); list: show them")
      ->check(is_device);
  app.add_option("--threads", o->threads, "default: what affinity and cgroup allow")->check(CLI::Range(1, 1024));
  app.add_option("--kv-memory", *kv_memory, "bytes for the KV cache, e.g. 512M (default: the whole context)");
  app.add_option("--max-sequences", o->max_sequences, "sequences that the KV cache has room for (default 1)")
      ->check(CLI::Range(1, 65536));
  app.add_option("--max-context", o->max_context, "tokens of a sequence at most (default: the model's limit)")
      ->check(CLI::Range(1, INT32_MAX));
}

// What CLI11 cannot check by itself: an error text, or "".
std::string finish(RunOptions *o, const CLI::App &app, const std::string &tokens, const std::string &kv_memory) {
  if (app.count("--tokens") && !parse_list(tokens, &o->tokens.emplace()))
    return "--tokens: '" + tokens + "' is not a list such as 1,2,3";
  if (app.count("--kv-memory") && (!parse_size(kv_memory, &o->kv_memory) || o->kv_memory == 0))
    return "--kv-memory: '" + kv_memory + "' is not a size such as 512M";
  if (!o->prompt && !o->prompt_file && !o->tokens && !o->chat)
    return "nothing to do: give -p TEXT, --prompt-file FILE, --tokens IDS or --chat";
  for (const std::string &stop : o->stop)
    if (stop.empty()) return "--stop: the text is empty";
  SamplerOptions given;
  given.temperature = o->temperature.value_or(given.temperature);
  given.top_p = o->top_p.value_or(given.top_p);
  given.min_p = o->min_p.value_or(given.min_p);
  given.repetition_penalty = o->repetition_penalty.value_or(given.repetition_penalty);
  return validate(given).message();
}

} // namespace

bool parse_options(int argc, char **argv, RunOptions *options, int *exit_code) {
  CLI::App app("Runs a compiled model.", "ingot-run");
  std::string tokens, kv_memory;
  app.set_version_flag("--version", "ingot-run " INGOT_VERSION);
  app.footer(closing);
  add_prompt(app, options, &tokens);
  add_sampling(app, options);
  add_output(app, options);
  add_machine(app, options, &kv_memory);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success &success) { // --help, --version
    *exit_code = app.exit(success);
    return false;
  } catch (const CLI::ParseError &error) {
    fprintf(stderr, "ingot-run: %s\nTry --help.\n", error.what());
    *exit_code = exit_usage;
    return false;
  }
  std::string wrong = finish(options, app, tokens, kv_memory);
  if (wrong.empty()) return true;
  fprintf(stderr, "ingot-run: %s\nTry --help.\n", wrong.c_str());
  *exit_code = exit_usage;
  return false;
}

} // namespace ingot
