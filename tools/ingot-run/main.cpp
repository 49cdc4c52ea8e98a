// ingot-run: loads an artifact, feeds a prompt, streams what the model says.
#include "tools/cli/exit_code.h"
#include "tools/ingot-run/conversation.h"
#include "tools/ingot-run/report.h"
#include "tools/ingot-run/trace.h"
#include "tools/ingot-run/upload.h"

#include <cstdlib>
#include <exception>
#include <fstream>
#include <iterator>
#include <new>

namespace ingot {
namespace {

Session *running = nullptr;

// The first Ctrl-C asks the step to end; the second ends the process.
void on_interrupt(int) {
  if (interrupted) signal(SIGINT, SIG_DFL);
  interrupted = 1;
  if (running) running->cancel();
}

void catch_signals() {
  struct sigaction action = {};
  action.sa_handler = on_interrupt; // without SA_RESTART: a waiting read ends
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

Status read_file(const std::string &path, std::string *text) {
  if (path == "-") {
    char buffer[65536];
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, stdin)) > 0;) text->append(buffer, count);
    return {};
  }
  File file;
  INGOT_TRY(file.open(system_files(), path.c_str()));
  if (file.size() == 0) return {};
  Mapping mapping;
  INGOT_TRY(mapping.map(system_files(), file.handle(), 0, file.size(), false, path.c_str()));
  text->assign(reinterpret_cast<const char *>(mapping.bytes().data()), mapping.bytes().size());
  return {};
}

class Run {
public:
  explicit Run(const RunOptions &options) : options_(options) {}

  Status all() {
    report_.process_start = system_clock()();
    INGOT_TRY(Artifact::open(options_.model.c_str(), {.cpu_level = getenv("INGOT_CPU")}, &artifact_));
    INGOT_TRY(open_text());
    INGOT_TRY(open_session());
    Generator generator(session_, options_, logits_);
    INGOT_TRY(generator.open());
    report_.ready = system_clock()();
    Status status = options_.chat ? chat(generator) : complete(generator);
    if (options_.stats) {
      report_.times = generator.times();
      report_.session = session_.stats();
      report_.device = session_.device();
      report_.facts = session_.device_facts();
      print_report(report_, options_.json);
    }
    INGOT_TRY(status);
    if (stopped_ == Stopped::by_context)
      fprintf(stderr, "ingot-run: stopped: the context is full (%u tokens)\n", session_.options().max_context);
    if (stopped_ == Stopped::by_interrupt) return Status::error(Code::cancelled, "interrupted");
    if (logits_.is_open()) INGOT_TRY(logits_.commit());
    return options_.profile_file.empty() ? Status() : trace_.commit();
  }

private:
  // Tokenizer and chat template, as far as this run needs them.
  Status open_text() {
    bool text_in = options_.prompt || options_.prompt_file || options_.chat;
    bool text_out = options_.most_tokens > 0 && !options_.print_tokens;
    if (artifact_.tokenizer().empty()) {
      if (text_in || text_out)
        return Status::error(Code::bad_input, "artifact %.120s: it has no tokenizer: use --tokens with --print-tokens",
                             artifact_.name());
      return {};
    }
    INGOT_TRY(tokenizer_.load(artifact_.tokenizer()));
    if (!options_.chat) return {};
    if (artifact_.chat_template().empty())
      return Status::error(Code::bad_input, "artifact %.120s: it has no chat template: use -p without --chat",
                           artifact_.name());
    return chat_.load(artifact_.chat_template());
  }

  Status open_session() {
    DeviceChoice device;
    INGOT_TRY(parse_device(options_.device.empty() ? nullptr : options_.device.c_str(), &device));
    SessionOptions options = {.device = device,
                              .threads = options_.threads,
                              .kv_bytes = options_.kv_memory,
                              .max_sequences = options_.max_sequences,
                              .max_context = options_.max_context,
                              .timed = !options_.profile_file.empty(),
                              .progress = {Upload::moved, &upload_}};
    options.max_rows = std::max(options.max_rows, options_.chunk);
    options.max_logits = options_.logits_file.empty() ? 1 : 32;
    INGOT_TRY(session_.open(artifact_, options));
    running = &session_;
    if (!options_.logits_file.empty()) INGOT_TRY(logits_.open(options_.logits_file, artifact_.facts().vocab_size()));
    if (options_.profile_file.empty()) return {};
    return trace_.open(options_.profile_file, &session_);
  }

  // The prompt's text, for -p and --prompt-file.
  Status prompt_text(std::string *text) {
    if (options_.prompt) *text = *options_.prompt;
    return options_.prompt_file ? read_file(*options_.prompt_file, text) : Status();
  }

  Status prompt_tokens(std::vector<int32_t> *tokens) {
    if (options_.tokens) {
      *tokens = *options_.tokens;
    } else {
      std::string text;
      INGOT_TRY(prompt_text(&text));
      INGOT_TRY(tokenizer_.encode(text, {}, tokens));
    }
    const plan::TokenFacts *facts = artifact_.facts().tokens();
    bool wants_bos =
        tokens->empty() || (!options_.tokens && facts && facts->add_bos() && tokens->front() != facts->bos());
    if (wants_bos && facts && facts->bos() >= 0) tokens->insert(tokens->begin(), facts->bos());
    if (tokens->empty())
      return Status::error(Code::bad_input, "the prompt is empty, and the model has no beginning-of-sequence token");
    return {};
  }

  Status complete(Generator &generator) {
    std::vector<int32_t> tokens;
    INGOT_TRY(prompt_tokens(&tokens));
    INGOT_TRY(generator.feed(tokens));
    if (options_.most_tokens == 0) return {};
    Answer answer(tokenizer_, options_);
    INGOT_TRY(generator.generate(options_.most_tokens, answer));
    stopped_ = *answer.stopped;
    return generator.output().write("\n");
  }

  Status chat(Generator &generator) {
    Conversation conversation(generator, tokenizer_, chat_, options_, artifact_.facts());
    if (!options_.prompt && !options_.prompt_file) return conversation.converse(&stopped_);
    std::string text;
    INGOT_TRY(prompt_text(&text));
    return conversation.turn(text, &stopped_);
  }

  const RunOptions &options_;
  Artifact artifact_;
  Tokenizer tokenizer_;
  ChatTemplate chat_;
  Session session_;
  LogitsFile logits_;
  Trace trace_;
  Upload upload_;
  RunReport report_ = {};
  Stopped stopped_ = Stopped::by_count;
};

int run(int argc, char **argv) {
  RunOptions options;
  int code = exit_done;
  if (!parse_options(argc, argv, &options, &code)) return code;
  catch_signals();
  Run run(options);
  Status status = run.all();
  running = nullptr;
  if (!status.ok()) fprintf(stderr, "ingot-run: %s\n", status.message());
  if (status.code() == Code::device_lost) { // the driver's exit handlers may wait for a step that never ends
    fflush(nullptr);
    _exit(exit_device);
  }
  return exit_code_of(status);
}

} // namespace
} // namespace ingot

int main(int argc, char **argv) {
  try {
    return ingot::run(argc, argv);
  } catch (const std::bad_alloc &) {
    fprintf(stderr, "ingot-run: out of memory\n");
    return ingot::exit_bad_input;
  } catch (const std::exception &error) {
    fprintf(stderr, "ingot-run: internal error: %s\n", error.what());
    return ingot::exit_bug;
  }
}
