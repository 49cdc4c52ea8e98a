/* libingot: runs compiled decoder models.
 *
 *   ingot_model *model;       ingot_model_open("model.ingot", &model);
 *   ingot_session *session;   ingot_session_open(model, NULL, &session);
 *   ingot_sequence sequence;  ingot_sequence_create(session, &sequence);
 *   ingot_append(session, sequence, tokens, n, INGOT_LOGITS_LAST);      tokens of any mix of sequences
 *   ingot_step(session);                                                one pass over all of them
 *   ingot_sample(session, 0, &sampling, NULL, 0, 0, place, &token);    or ingot_logits()
 *
 * Every function that can fail returns INGOT_OK or an error; ingot_error_message() then says in one line what is wrong
 * and what to do. A call that fails changes nothing. No function throws, exits or prints. Pointers must not be NULL
 * unless a comment says so.
 *
 * Ownership: what a function hands out through `**out` belongs to the caller, who closes it: sessions and detokenizers
 * before their model. Nothing of the caller's memory is kept after a call returns.
 *
 * Threads: a model is immutable and may be used by any number of threads. A session, and a detokenizer, serve one
 * thread at a time; ingot_cancel() alone may be called from anywhere, signal handlers included.
 *
 * GPUs: a session runs on the processors or on one GPU (ingot_session_options.device), of those that the driver shows
 * (CUDA_VISIBLE_DEVICES may hide some; INGOT_CUDA_DRIVER names another driver library). A call leaves the GPU's primary
 * context current in the calling thread. Sessions of one ingot_model on one GPU, in any threads, share one copy of its
 * weights: the first that opens uploads it (others wait), the last that closes frees it.
 * A kernel's wild access, a hardware error, or a step that does not end in watchdog_seconds loses the GPU for the whole
 * process: the call returns INGOT_DEVICE_LOST, and so does every later call of any session on it. Such a process should
 * fail its requests and end with a non-zero code (ingot-run: 4), through _exit() after a hang, where the driver's own
 * exit handlers may wait for ever; ingot_session_close() may still be called and returns.
 *
 * The bits of a sequence's logits depend on the model and on its own tokens only, not on how they are cut into steps,
 * on what else is in a step, or on the number of threads; they differ between processors and GPUs. */
#ifndef INGOT_INGOT_H
#define INGOT_INGOT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum ingot_code {
  INGOT_OK = 0,
  INGOT_BAD_INPUT = 1,    /* the file, prompt or request is wrong */
  INGOT_USAGE = 2,        /* the call is wrong: argument out of range, wrong order */
  INGOT_INTERNAL = 3,     /* a bug in libingot */
  INGOT_NO_MEMORY = 4,    /* memory, or the KV cache, is full */
  INGOT_IO = 5,           /* the operating system refused */
  INGOT_UNSUPPORTED = 6,  /* valid, but this build or machine cannot */
  INGOT_CANCELLED = 7,    /* ingot_cancel() */
  INGOT_CONTEXT_FULL = 8, /* the sequence would pass max_context */
  INGOT_DEVICE_LOST = 9,  /* the GPU is of no use to this process any more; see "GPUs" below */
} ingot_code;

/* The message of the calling thread's last error; valid until its next error. Never NULL. */
const char *ingot_error_message(void);
const char *ingot_version(void);

/* ---- model ---------------------------------------------------------------------------------------------------- */

typedef struct ingot_model ingot_model;

typedef struct ingot_facts {
  const char *name; /* lives as long as the model, as all strings here */
  const char *weight_format;
  const char *activation_format;
  uint32_t vocab_size; /* width of a logits row */
  uint32_t layers;
  uint32_t max_context;          /* tokens of a sequence at most */
  uint32_t max_new_per_sequence; /* new tokens of a sequence in one step; 0: any number */
  int32_t bos;                   /* -1: none */
  const int32_t *eos;            /* [eos_count] */
  size_t eos_count;
  uint32_t cpu_level;    /* of the code that runs: 3 (AVX2) or 4 (AVX-512 VNNI); 0: none runs on this CPU */
  int has_cpu, has_cuda; /* code for either kind of device is in the file */
  int has_tokenizer, has_chat_template;
} ingot_facts;

/* Verifies header, plan and code, then maps the file. It must not be truncated while the model is open. The environment
 * variable INGOT_CPU (v3 or v4) forces a level of code. */
ingot_code ingot_model_open(const char *path, ingot_model **out);
/* NULL is fine. */
void ingot_model_close(ingot_model *model);
void ingot_model_facts(const ingot_model *model, ingot_facts *facts);
/* Hashes the whole file, weights included. */
ingot_code ingot_model_verify(const ingot_model *model);

/* ---- session -------------------------------------------------------------------------------------------------- */

typedef struct ingot_session ingot_session;
typedef uint32_t ingot_sequence; /* a number of the session's; not an index of anything else */

typedef struct ingot_session_options {
  size_t size;        /* sizeof(ingot_session_options): lets later versions add fields */
  const char *device; /* "cpu", "cuda" (the first GPU), "cuda:N", or NULL: the CPU if the model has code for it, else
                       * CUDA */
  uint32_t threads;   /* CPU; 0: what affinity and cgroup quota allow */
  uint32_t max_sequences; /* that live at one time */
  uint32_t max_context;   /* 0: the model's; else at most that */
  uint32_t max_rows;      /* tokens of one step, 1..32768 */
  uint32_t max_logits;    /* logits rows computed at a time; 0: max_sequences */
  uint32_t pad_rows;      /* rows of a step are padded to a multiple of it; 1: no pads */
  size_t kv_bytes;        /* for the KV cache; 0: all sequences at max_context */
  /* CUDA only. */
  uint32_t watchdog_seconds; /* a step that takes longer counts as hung; 0: none does. INGOT_CUDA_WATCHDOG overrides */
  void (*upload_progress)(void *user, uint64_t done, uint64_t total); /* bytes of weights, during open; may be NULL */
  void *upload_user;
} ingot_session_options;

/* The defaults: one sequence, 512 rows, 60 seconds, everything else as the zeros above. */
void ingot_session_options_init(ingot_session_options *options);

/* Takes all memory that the session will ever use; on a GPU it compares the sum with what is free first and says what
 * does not fit. `options` may be NULL: the defaults. */
ingot_code ingot_session_open(const ingot_model *model, const ingot_session_options *options, ingot_session **out);
void ingot_session_close(ingot_session *session); /* NULL is fine */

ingot_code ingot_sequence_create(ingot_session *session, ingot_sequence *out);
/* A copy that shares memory until one of the two grows. */
ingot_code ingot_sequence_fork(ingot_session *session, ingot_sequence sequence, ingot_sequence *out);
/* Forgets the tokens from `length` on; a longer length changes nothing. */
ingot_code ingot_sequence_truncate(ingot_session *session, ingot_sequence sequence, uint32_t length);
ingot_code ingot_sequence_length(const ingot_session *session, ingot_sequence sequence, uint32_t *length);
ingot_code ingot_sequence_free(ingot_session *session, ingot_sequence sequence);

/* ---- steps ---------------------------------------------------------------------------------------------------- */

typedef enum ingot_logits_rows { INGOT_LOGITS_NONE = 0, INGOT_LOGITS_LAST = 1, INGOT_LOGITS_ALL = 2 } ingot_logits_rows;

/* Puts tokens[0 .. count) of a sequence into the next step, at most once a sequence and step, at most ingot_room()
 * tokens in all. `rows`, an ingot_logits_rows: for which of them logits are wanted. */
ingot_code ingot_append(ingot_session *session, ingot_sequence sequence, const int32_t *tokens, size_t count, int rows);
/* Tokens that the next step still takes. */
uint32_t ingot_room(const ingot_session *session);
/* Runs the step. On an error (INGOT_NO_MEMORY: the KV cache is full; INGOT_CANCELLED) every sequence keeps its old
 * length and the step's tokens are forgotten. Allocates nothing. */
ingot_code ingot_step(ingot_session *session);
/* Ends the running step, or else the next one, with INGOT_CANCELLED. Async-signal-safe. */
void ingot_cancel(ingot_session *session);

/* Logits rows of the last step, in the order of its appends. */
uint32_t ingot_logits_count(const ingot_session *session);
/* *row: float32 [vocab_size], valid until the next ingot_append() or ingot_logits(). Brings the row from a GPU to the
 * host. */
ingot_code ingot_logits(ingot_session *session, uint32_t index, const float **row);

typedef struct ingot_sampling {
  size_t size;              /* sizeof(ingot_sampling) */
  float temperature;        /* 0: greedy */
  uint32_t top_k;           /* 0: all */
  float top_p, min_p;       /* 1, 0: all */
  float repetition_penalty; /* 1: none */
  uint64_t seed;
} ingot_sampling;

/* The model's own settings (its generation_config), else greedy. */
void ingot_sampling_init(const ingot_model *model, ingot_sampling *sampling);

/* Chooses a token from logits row `index` for the place behind the sequence's last token. The choice is a function of
 * (sampling, row, recent tokens, stream, place) alone. `recent` [recent_count] are the tokens that the repetition
 * penalty applies to (NULL with 0). `stream` tells the random numbers of equal seeds apart, e.g. a request's number.
 * On a GPU the row stays there if the settings allow: greedy choices, top_k from 1 to 1024, and min_p with top_p 1 and
 * no top_k bring a few pairs (logit, token) back instead, as a rule; a repetition_penalty below 1 needs the row. The
 * choice is the same. */
ingot_code ingot_sample(ingot_session *session, uint32_t index, const ingot_sampling *sampling, const int32_t *recent,
                        size_t recent_count, uint64_t stream, uint64_t place, int32_t *token);

typedef struct ingot_stats {
  size_t size;                         /* sizeof(ingot_stats), set by the caller */
  uint64_t steps, tokens, logits_rows; /* since open */
  uint64_t body_ns, head_ns;           /* time in them; CUDA: body_ns holds both */
  uint64_t kv_used_bytes, kv_capacity_bytes;
  const char *device;           /* "cpu", or the GPU's name; lives as long as the session */
  uint64_t device_bytes;        /* of GPU memory that the session holds, its model's weights included */
  uint64_t device_weight_bytes; /* of those: the weights, which all sessions of the model on that GPU share */
  uint64_t host_ns;             /* CUDA: the processor's share of the steps' time, waiting not counted */
} ingot_stats;
ingot_code ingot_session_stats(const ingot_session *session, ingot_stats *stats);

/* ---- text ----------------------------------------------------------------------------------------------------- */

/* The token ids of UTF-8 text [length]. Writes at most `capacity` of them to ids (NULL with 0); *count is how many
 * there are. add_special: put the model's prefix (BOS) before them. allow_special: "<|name|>" in the text may name a
 * special token. */
ingot_code ingot_encode(const ingot_model *model, const char *text, size_t length, int add_special, int allow_special,
                        int32_t *ids, size_t capacity, size_t *count);

typedef struct ingot_chat_message {
  const char *role, *content; /* UTF-8, NUL terminated */
} ingot_chat_message;

/* The prompt for a conversation, by the model's chat template; encode it with add_special 0. Writes at most `capacity`
 * bytes, no NUL; *length is how many there are. */
ingot_code ingot_chat_render(const ingot_model *model, const ingot_chat_message *messages, size_t count,
                             int add_generation_prompt, char *text, size_t capacity, size_t *length);

/* Text from tokens, whole UTF-8 characters at a time. */
typedef struct ingot_detokenizer ingot_detokenizer;
/* skip_special: special tokens give no text. at_start: the first token begins the text. */
ingot_code ingot_detokenizer_open(const ingot_model *model, int skip_special, int at_start, ingot_detokenizer **out);
void ingot_detokenizer_close(ingot_detokenizer *detokenizer); /* NULL is fine */
/* The text that this token completes, maybe none: *text [*length], valid until the next call. */
ingot_code ingot_detokenizer_add(ingot_detokenizer *detokenizer, int32_t token, const char **text, size_t *length);
/* What still waits at the end. */
ingot_code ingot_detokenizer_flush(ingot_detokenizer *detokenizer, const char **text, size_t *length);

#ifdef __cplusplus
}
#endif
#endif
