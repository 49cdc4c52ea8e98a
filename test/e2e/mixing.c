/* The law through the C API: sequences that share steps, with pads, get the same logits, bit for bit, as each alone.
 *
 *   mixing MODEL.ingot IDS IDS IDS       exit 0: equal; 1: not, or an error (named on stderr)
 */
#include <ingot/ingot.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { most_sequences = 8, most_tokens = 256 };

struct text {
  int32_t tokens[most_tokens];
  size_t count;
  float *alone, *mixed; /* [count][vocab] */
};

static int failed(const char *what) {
  fprintf(stderr, "mixing: %s: %s\n", what, ingot_error_message());
  return 1;
}

static void read_ids(const char *ids, struct text *text) {
  for (char *end; *ids && text->count < most_tokens; ids = *end ? end + 1 : end) {
    text->tokens[text->count++] = (int32_t)strtol(ids, &end, 10);
    if (end == ids) exit(2);
  }
}

/* Feeds every text, in steps that take up to `chunk` + its number tokens of each, and keeps all logits rows. */
static int feed(const ingot_model *model, uint32_t threads, uint32_t pad_rows, size_t chunk, struct text *texts,
                int count, float *(*rows_of)(struct text *)) {
  ingot_facts facts;
  ingot_model_facts(model, &facts);
  ingot_session_options options;
  ingot_session_options_init(&options);
  options.threads = threads;
  options.max_sequences = (uint32_t)count;
  options.pad_rows = pad_rows;
  ingot_session *session;
  if (ingot_session_open(model, &options, &session)) return failed("session");
  ingot_sequence sequences[most_sequences];
  size_t fed[most_sequences] = {0};
  for (int i = 0; i < count; ++i)
    if (ingot_sequence_create(session, &sequences[i])) return failed("sequence");
  for (int more = 1; more;) {
    float *to[most_sequences * most_tokens];
    size_t rows = 0;
    more = 0;
    for (int i = 0; i < count; ++i) {
      size_t left = texts[i].count - fed[i], news = left < chunk + (size_t)i ? left : chunk + (size_t)i;
      if (news == 0) continue;
      if (ingot_append(session, sequences[i], texts[i].tokens + fed[i], news, INGOT_LOGITS_ALL))
        return failed("append");
      for (size_t r = 0; r < news; ++r) to[rows++] = rows_of(&texts[i]) + (fed[i] + r) * facts.vocab_size;
      fed[i] += news;
      more |= fed[i] < texts[i].count;
    }
    if (ingot_step(session)) return failed("step");
    for (uint32_t r = 0; r < rows; ++r) {
      const float *row;
      if (ingot_logits(session, r, &row)) return failed("logits");
      memcpy(to[r], row, facts.vocab_size * sizeof(float));
    }
  }
  ingot_session_close(session);
  return 0;
}

static float *alone(struct text *text) { return text->alone; }
static float *mixed(struct text *text) { return text->mixed; }

static int compare(struct text *texts, int count, size_t vocab, const char *how) {
  for (int i = 0; i < count; ++i)
    for (size_t r = 0; r < texts[i].count; ++r)
      if (memcmp(texts[i].alone + r * vocab, texts[i].mixed + r * vocab, vocab * sizeof(float))) {
        fprintf(stderr, "mixing: %s: row %zu of sequence %d differs\n", how, r, i);
        return 1;
      }
  return 0;
}

int main(int argc, char **argv) {
  static struct text texts[most_sequences];
  int count = argc - 2;
  if (count < 1 || count > most_sequences) return 2;
  ingot_model *model;
  if (ingot_model_open(argv[1], &model)) return failed(argv[1]);
  ingot_facts facts;
  ingot_model_facts(model, &facts);
  for (int i = 0; i < count; ++i) {
    read_ids(argv[2 + i], &texts[i]);
    texts[i].alone = malloc(texts[i].count * facts.vocab_size * sizeof(float));
    texts[i].mixed = malloc(texts[i].count * facts.vocab_size * sizeof(float));
    if (feed(model, 1, 1, most_tokens, &texts[i], 1, alone)) return 1;
  }
  int result =
      feed(model, 2, 16, 5, texts, count, mixed) || compare(texts, count, facts.vocab_size, "chunks of 5, pads");
  result = result || feed(model, 3, 1, 1, texts, count, mixed) || compare(texts, count, facts.vocab_size, "one by one");
  result =
      result || feed(model, 2, 64, 40, texts, count, mixed) || compare(texts, count, facts.vocab_size, "chunks of 40");
  for (int i = 0; i < count; ++i) {
    free(texts[i].alone);
    free(texts[i].mixed);
  }
  ingot_model_close(model);
  if (!result) printf("%d sequences: equal\n", count);
  return result;
}
