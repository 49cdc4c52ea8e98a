#include "tools/ingot-bench/quality.h"
#include "runtime/session/session.h"
#include "runtime/tokenize/tokenizer.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ingot {
namespace {

// Log probabilities of one row, in double.
void log_softmax(const float *logits, std::vector<double> *out) {
  float most = *std::max_element(logits, logits + out->size());
  double sum = 0;
  for (size_t i = 0; i < out->size(); ++i) sum += std::exp(double(logits[i]) - most);
  double shift = most + std::log(sum);
  for (size_t i = 0; i < out->size(); ++i) (*out)[i] = double(logits[i]) - shift;
}

struct Sums {
  double kl = 0, model = 0, reference = 0;
  uint64_t rows = 0, agreed = 0, scored = 0;
};

// `next`: the token that came, or -1 behind the last.
void add_row(const std::vector<double> &model, const std::vector<double> &reference, int32_t next, Sums *sums) {
  double kl = 0;
  for (size_t i = 0; i < model.size(); ++i) kl += std::exp(reference[i]) * (reference[i] - model[i]);
  auto best = [](const std::vector<double> &row) { return std::max_element(row.begin(), row.end()) - row.begin(); };
  sums->kl += kl;
  sums->agreed += best(model) == best(reference);
  ++sums->rows;
  if (next < 0) return;
  sums->model -= model[size_t(next)];
  sums->reference -= reference[size_t(next)];
  ++sums->scored;
}

Status open(const Artifact &artifact, DeviceChoice device, uint32_t context, uint32_t chunk, Session *session) {
  return session->open(artifact, {.device = device, .max_context = context, .max_rows = chunk, .max_logits = chunk});
}

// Both models over one window of tokens that fits their contexts.
Status add_window(Session (&sessions)[2], const int32_t *tokens, uint32_t count, uint32_t step, Sums *sums) {
  uint32_t sequences[2], vocab = sessions[0].artifact().facts().vocab_size();
  for (int m = 0; m < 2; ++m) {
    INGOT_TRY(sessions[m].create(&sequences[m]));
    if (uint32_t most = sessions[m].artifact().facts().max_new_per_sequence()) step = std::min(step, most);
  }
  std::vector<double> rows[2] = {std::vector<double>(vocab), std::vector<double>(vocab)};
  for (uint32_t at = 0; at < count; at += step) {
    uint32_t now = std::min(step, count - at);
    for (int m = 0; m < 2; ++m) {
      INGOT_TRY(sessions[m].append(sequences[m], tokens + at, now, LogitRows::all));
      INGOT_TRY(sessions[m].step());
    }
    for (uint32_t i = 0; i < now; ++i) {
      for (int m = 0; m < 2; ++m) {
        const float *row;
        INGOT_TRY(sessions[m].logits(i, &row));
        log_softmax(row, &rows[m]);
      }
      add_row(rows[0], rows[1], at + i + 1 < count ? tokens[at + i + 1] : -1, sums);
    }
  }
  for (int m = 0; m < 2; ++m) INGOT_TRY(sessions[m].destroy(sequences[m]));
  return {};
}

} // namespace

Status measure_quality(const Artifact &model, DeviceChoice device, const Artifact &reference, const std::string &text,
                       uint32_t chunk, Quality *quality) {
  if (model.facts().vocab_size() != reference.facts().vocab_size())
    return Status::error(Code::bad_input, "the vocabularies differ: %u and %u", model.facts().vocab_size(),
                         reference.facts().vocab_size());
  if (model.tokenizer().empty())
    return Status::error(Code::bad_input, "artifact %.120s: --quality needs a tokenizer", model.name());
  Tokenizer tokenizer;
  std::vector<int32_t> tokens;
  INGOT_TRY(tokenizer.load(model.tokenizer()));
  INGOT_TRY(tokenizer.encode(text, {}, &tokens));
  if (tokens.size() < 2) return Status::error(Code::bad_input, "--quality: the text has %zu tokens", tokens.size());
  uint32_t window = std::min({model.facts().max_context(), reference.facts().max_context(), 2048u});
  Sums sums;
  Session sessions[2];
  INGOT_TRY(open(model, device, window, chunk, &sessions[0]));
  INGOT_TRY(open(reference, DeviceKind::automatic, window, chunk, &sessions[1]));
  for (size_t at = 0; at < tokens.size(); at += window)
    INGOT_TRY(
        add_window(sessions, tokens.data() + at, uint32_t(std::min<size_t>(window, tokens.size() - at)), chunk, &sums));
  *quality = {.tokens = sums.rows,
              .mean_kl = sums.kl / double(sums.rows),
              .top1_agreement = double(sums.agreed) / double(sums.rows),
              .perplexity = std::exp(sums.model / double(sums.scored)),
              .reference_perplexity = std::exp(sums.reference / double(sums.scored))};
  return {};
}

} // namespace ingot
