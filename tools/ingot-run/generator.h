// One sequence: feeds tokens, writes their logits, samples and streams what comes.
#pragma once
#include "runtime/session/chooser.h"
#include "runtime/session/session.h"
#include "runtime/tokenize/tokenizer.h"
#include "tools/ingot-run/logits_file.h"
#include "tools/ingot-run/options.h"
#include "tools/ingot-run/text_output.h"

#include <csignal>
#include <optional>
#include <vector>

namespace ingot {

enum class Stopped { by_count, by_eos, by_text, by_context, by_reader, by_interrupt };

// Times and counts of everything fed and generated.
struct RunTimes {
  uint64_t prompt_tokens = 0, prompt_ns = 0;
  uint64_t generated_tokens = 0;             // sampled
  uint64_t decode_tokens = 0, decode_ns = 0; // fed one by one
  uint64_t first_token_at = 0;               // clock; 0: none yet
};

// What was generated so far, and the filters that its text goes through.
struct Answer {
  Answer(const Tokenizer &tokenizer, const RunOptions &options)
      : words(tokenizer, {.skip_special = !options.ignore_eos, .at_start = false}), filter(options.stop) {}
  void stop(Stopped reason) {
    if (!stopped) stopped = reason;
  }

  std::vector<int32_t> ids;
  std::string text;
  std::optional<Stopped> stopped;
  Detokenizer words;
  StopFilter filter;
};

class Generator {
public:
  Generator(Session &session, const RunOptions &options, LogitsFile &logits);

  Status open();
  // Feeds a prompt behind what is there; the last row's logits are kept for generate().
  Status feed(const std::vector<int32_t> &tokens);
  // Samples up to `most` tokens into the answer; text (or ids) streams to stdout. Ends with answer.stopped set.
  Status generate(uint64_t most, Answer &answer);
  // Forgets the tokens from `length` on.
  Status truncate(uint32_t length);

  const std::vector<int32_t> &fed() const { return fed_; } // all tokens in the sequence
  const RunTimes &times() const { return times_; }
  TextOutput &output() { return output_; }

private:
  Status step(const int32_t *tokens, size_t count, bool want_last);
  Status choose(int32_t *token);
  Status take(int32_t token, Answer &answer);
  Status feed_back(int32_t token, Answer &answer);
  bool is_eos(int32_t token) const;

  Session &session_;
  const RunOptions &options_;
  LogitsFile &logits_;
  SamplerOptions sampling_;
  Chooser chooser_;
  TextOutput output_;
  uint32_t sequence_ = 0;
  std::vector<int32_t> fed_;
  bool has_row_ = false; // the last step ended with a logits row for the next token
  RunTimes times_;
};

// Set by the first Ctrl-C.
extern volatile sig_atomic_t interrupted;

} // namespace ingot
