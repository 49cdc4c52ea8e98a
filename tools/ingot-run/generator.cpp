#include "tools/ingot-run/generator.h"

#include <algorithm>

namespace ingot {

volatile sig_atomic_t interrupted = 0;

Generator::Generator(Session &session, const RunOptions &options, LogitsFile &logits)
    : session_(session), options_(options), logits_(logits) {}

Status Generator::open() {
  const plan::Facts &facts = session_.artifact().facts();
  sampling_ = default_sampling(facts);
  sampling_.temperature = options_.temperature.value_or(sampling_.temperature);
  sampling_.top_k = options_.top_k.value_or(sampling_.top_k);
  sampling_.top_p = options_.top_p.value_or(sampling_.top_p);
  sampling_.min_p = options_.min_p.value_or(sampling_.min_p);
  sampling_.repetition_penalty = options_.repetition_penalty.value_or(sampling_.repetition_penalty);
  sampling_.seed = options_.seed;
  INGOT_TRY(validate(sampling_));
  INGOT_TRY(chooser_.open(facts));
  return session_.create(&sequence_);
}

Status Generator::truncate(uint32_t length) {
  INGOT_TRY(session_.truncate(sequence_, length));
  fed_.resize(std::min<size_t>(fed_.size(), length));
  has_row_ = false;
  return {};
}

// One step of the session; rows go to the logits file.
Status Generator::step(const int32_t *tokens, size_t count, bool want_last) {
  LogitRows rows = logits_.is_open() ? LogitRows::all : want_last ? LogitRows::last : LogitRows::none;
  INGOT_TRY(session_.append(sequence_, tokens, count, rows));
  INGOT_TRY(session_.step());
  fed_.insert(fed_.end(), tokens, tokens + count);
  has_row_ = session_.logit_count() > 0;
  for (uint32_t i = 0; logits_.is_open() && i < session_.logit_count(); ++i) {
    const float *row;
    INGOT_TRY(session_.logits(i, &row));
    INGOT_TRY(logits_.add(row));
  }
  return {};
}

Status Generator::feed(const std::vector<int32_t> &tokens) {
  uint32_t most = session_.options().max_context, model_step = session_.artifact().facts().max_new_per_sequence();
  if (tokens.size() > most - std::min<size_t>(most, fed_.size()))
    return Status::error(Code::bad_input, "the prompt has %zu tokens%s, but the context holds %u",
                         tokens.size() + fed_.size(), fed_.empty() ? "" : " with what was said before", most);
  uint64_t begin = session_.options().clock();
  size_t chunk = options_.chunk ? options_.chunk : session_.options().max_rows;
  if (model_step) chunk = std::min<size_t>(chunk, model_step);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    size_t count = std::min(chunk, tokens.size() - at);
    INGOT_TRY(step(tokens.data() + at, count, at + count == tokens.size()));
  }
  times_.prompt_tokens += tokens.size();
  times_.prompt_ns += session_.options().clock() - begin;
  return {};
}

bool Generator::is_eos(int32_t token) const {
  const plan::TokenFacts *facts = session_.artifact().facts().tokens();
  if (!facts || options_.ignore_eos) return false;
  for (uint32_t i = 0; i < count_of(facts->eos()); ++i)
    if (facts->eos()->Get(i) == token) return true;
  return false;
}

Status Generator::choose(int32_t *token) {
  if (!has_row_) return Status::error(Code::internal, "nothing was fed before a token was asked for");
  INGOT_TRY(chooser_.choose(session_, session_.logit_count() - 1, sampling_, fed_, 0, fed_.size(), token));
  if (times_.first_token_at == 0) times_.first_token_at = session_.options().clock();
  ++times_.generated_tokens;
  return {};
}

// Shows what a new token says; sets answer.stopped when it is the last one.
Status Generator::take(int32_t token, Answer &answer) {
  answer.ids.push_back(token);
  bool eos = is_eos(token), at_stop = false;
  std::string piece, shown;
  if (options_.print_tokens) {
    shown = (answer.ids.size() > 1 ? "," : "") + std::to_string(token);
  } else if (!eos) {
    answer.words.add(token, &piece);
    at_stop = answer.filter.add(piece, &shown);
  }
  answer.text += shown;
  INGOT_TRY(output_.write(shown));
  if (eos) answer.stop(Stopped::by_eos);
  if (at_stop) answer.stop(Stopped::by_text);
  if (output_.closed()) answer.stop(Stopped::by_reader);
  if (interrupted) answer.stop(Stopped::by_interrupt);
  return {};
}

// Feeds a generated token, for the logits of the next.
Status Generator::feed_back(int32_t token, Answer &answer) {
  if (fed_.size() == session_.options().max_context) {
    answer.stop(Stopped::by_context);
    return {};
  }
  uint64_t begin = session_.options().clock();
  Status status = step(&token, 1, true);
  if (status.code() == Code::cancelled) {
    answer.stop(Stopped::by_interrupt);
    return {};
  }
  ++times_.decode_tokens;
  times_.decode_ns += session_.options().clock() - begin;
  return status;
}

Status Generator::generate(uint64_t most, Answer &answer) {
  for (uint64_t n = 0; n < most && !answer.stopped; ++n) {
    int32_t token;
    INGOT_TRY(choose(&token));
    INGOT_TRY(take(token, answer));
    if (!answer.stopped && n + 1 < most) INGOT_TRY(feed_back(token, answer));
  }
  if (!answer.stopped) answer.stop(Stopped::by_count);
  if (options_.print_tokens || *answer.stopped == Stopped::by_text) return {};
  std::string rest, shown;
  answer.words.flush(&rest);
  answer.filter.add(rest, &shown);
  answer.filter.flush(&shown);
  answer.text += shown;
  return output_.write(shown);
}

} // namespace ingot
