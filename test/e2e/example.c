/* How a C program uses libingot: continues a prompt of token ids, greedily, for two sequences at a time.
 *
 *   example MODEL.ingot 12 1,403,407,261,378 5,6
 *
 * prints a line of new ids for each prompt. */
#include <ingot/ingot.h>

#include <stdio.h>
#include <stdlib.h>

enum { most_prompts = 8, most_tokens = 512 };

static int failed(const char *what) {
  fprintf(stderr, "example: %s: %s\n", what, ingot_error_message());
  return 1;
}

static size_t read_ids(const char *text, int32_t *ids) {
  size_t count = 0;
  for (char *end; *text && count < most_tokens; text = *end ? end + 1 : end) {
    ids[count++] = (int32_t)strtol(text, &end, 10);
    if (end == text) exit(2);
  }
  return count;
}

struct prompt {
  ingot_sequence sequence;
  int32_t tokens[most_tokens];
  size_t length, given, fed;
};

/* One step a token; the sequences share every step. */
static int generate(ingot_session *session, const ingot_sampling *sampling, int n, struct prompt *prompts, int count) {
  for (int turn = 0; turn < n; ++turn) {
    for (int i = 0; i < count; ++i) {
      struct prompt *p = &prompts[i];
      if (p->length == most_tokens) return 0;
      if (ingot_append(session, p->sequence, p->tokens + p->fed, p->length - p->fed, INGOT_LOGITS_LAST))
        return failed("append");
      p->fed = p->length;
    }
    if (ingot_step(session)) return failed("step");
    for (int i = 0; i < count; ++i) {
      struct prompt *p = &prompts[i];
      if (ingot_sample(session, (uint32_t)i, sampling, NULL, 0, (uint64_t)i, p->length, &p->tokens[p->length]))
        return failed("sample");
      ++p->length;
    }
  }
  return 0;
}

static int run(ingot_session *session, const ingot_sampling *sampling, int n, char **texts, int count) {
  static struct prompt prompts[most_prompts];
  for (int i = 0; i < count; ++i) {
    prompts[i].length = prompts[i].given = read_ids(texts[i], prompts[i].tokens);
    if (ingot_sequence_create(session, &prompts[i].sequence)) return failed("sequence");
  }
  if (generate(session, sampling, n, prompts, count)) return 1;
  for (int i = 0; i < count; ++i) {
    struct prompt *p = &prompts[i];
    for (size_t t = p->given; t < p->length; ++t) printf(t > p->given ? ",%d" : "%d", p->tokens[t]);
    printf("\n");
    if (ingot_sequence_free(session, p->sequence)) return failed("free");
  }
  return 0;
}

int main(int argc, char **argv) {
  int count = argc - 3;
  if (count < 1 || count > most_prompts) {
    fprintf(stderr, "usage: example MODEL.ingot COUNT IDS...\n");
    return 2;
  }
  ingot_model *model = NULL;
  ingot_session *session = NULL;
  ingot_session_options options;
  ingot_sampling sampling;
  ingot_session_options_init(&options);
  options.max_sequences = (uint32_t)count;
  int result = ingot_model_open(argv[1], &model) ? failed(argv[1]) : 0;
  if (!result && ingot_session_open(model, &options, &session)) result = failed("session");
  if (!result) {
    ingot_sampling_init(model, &sampling);
    sampling.temperature = 0;
    result = run(session, &sampling, atoi(argv[2]), argv + 3, count);
  }
  ingot_session_close(session);
  ingot_model_close(model);
  return result;
}
