// The contract between generated code and the runtime. Compiler and runtime meet in this folder and nowhere else.
//
// Invariants
//  1. A CPU kernel is `int32_t k(const ingot_args*, uint64_t begin, uint64_t end, void* scratch)`; it computes the grid
//     items [begin, end), returns 0, never calls out, never allocates. Items are independent: any order, any worker.
//     A CUDA kernel is `.visible .entry NAME(.param .u64 args, .param .u64 scratch)`: both point to device memory, and
//     so does every pointer behind args. It finds the number of items in args->rows or in the batch, and strides over
//     them from blockIdx.x: any grid of at least one CTA gives the same bits. CTA c's scratch is scratch + c *
//     scratch_bytes.
//  2. `args->slot[]` follows the order of the step's bindings in the plan; nothing else is passed.
//  3. Rows are token-major: activation buffer of n bytes a row holds row r at base + r * n; bases are 64-byte aligned,
//     and n is a multiple of 64. Rows >= n_tokens are pads: computed or not, but never a side effect.
//     Buffers and `prepared` have room for their rows rounded up to 64: a tile may write there. Logits rows do not.
//  4. A KV page is opaque to the runtime: it holds `page_tokens` consecutive positions of every layer of its group.
//     Kernels find position p of segment s in page block_table[s * table_stride + p / page_tokens].
//     Table entries without a page hold 0: page 0 may be read there (its values are masked), never written.
//  5. `n_splits` is 1 in programs whose steps have no `finish` (plan.fbs: nothing sizes the partial results of a
//  split).
//  6. Any change here bumps INGOT_ABI_VERSION; the offsets below are static_asserted on both sides.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define INGOT_ABI_VERSION 2u

#ifdef __cplusplus
extern "C" {
#endif

// Attention's key range is cut at multiples of this position (invariant 5).
#define INGOT_SPLIT_TOKENS 512u
#define INGOT_SPLIT_ROWS 64u

// One KV cache group as a step sees it.
typedef struct ingot_kv_view {
  uint8_t *pool;               // page i lies at pool + i * page_bytes (page_bytes is a plan fact, known to the code)
  const uint32_t *block_table; // [n_segs][table_stride] page numbers
  uint64_t table_stride;       // entries a segment
} ingot_kv_view;

// At most q_tile_rows (a plan fact) consecutive rows of one segment: the unit of query rows of an attend grid.
typedef struct ingot_q_tile {
  uint32_t segment;
  uint32_t first_row; // row index into the step
  uint32_t n_rows;
  uint32_t reserved;
} ingot_q_tile;

// One step: any mix of tokens of any sequences. Rows are sorted by segment, positions ascend inside a segment.
typedef struct ingot_batch {
  uint64_t n_tokens;          // rows that are tokens
  uint64_t n_rows;            // rows of the body's buffers, pads included
  uint64_t n_segs;            // sequences in this step
  uint64_t n_logits;          // rows of the head's buffers
  uint64_t n_q_tiles;         // entries of q_tile
  uint64_t n_splits;          // parts that the key range of an attend grid is cut into, >= 1; bits do not depend on it
  const int32_t *token;       // [n_rows]; pads hold 0
  const int32_t *position;    // [n_rows]; pads hold 0
  const int32_t *segment;     // [n_rows]; pads hold -1
  const uint32_t *seg_start;  // [n_segs + 1] first row of each segment
  const uint32_t *kv_len;     // [n_segs] cached + new tokens of the segment once this step has appended
  const uint32_t *logit_row;  // [n_logits] the body row behind each head row
  const ingot_q_tile *q_tile; // [n_q_tiles]
  const ingot_kv_view *kv;    // [groups]
} ingot_batch;

typedef struct ingot_args {
  const ingot_batch *batch;
  uint64_t rows;   // rows of this entry: batch->n_rows in the body, batch->n_logits in the head
  uint64_t slot[]; // pointers (buffers, weights) and immediates, as the step's bindings say
} ingot_args;

typedef int32_t (*ingot_kernel)(const ingot_args *args, uint64_t begin, uint64_t end, void *scratch);

// Fixed header at offset 0 of an artifact; little-endian. Followed by `segment_count` ingot_segment records.
typedef struct ingot_header {
  char magic[8];           // "INGOT\r\n\x1a"
  uint32_t format_version; // INGOT_FORMAT_VERSION
  uint32_t abi_version;    // INGOT_ABI_VERSION
  uint64_t file_size;
  uint64_t plan_offset; // FlatBuffer ingot.plan.Plan
  uint64_t plan_size;
  uint64_t plan_hash; // XXH3-64 of the plan's bytes
  uint32_t segment_count;
  uint32_t reserved;    // 0
  uint64_t table_hash;  // XXH3-64 of the segment records
  uint64_t header_hash; // XXH3-64 of this header up to here
} ingot_header;

enum ingot_segment_kind {
  INGOT_SEGMENT_WEIGHTS = 1,
  INGOT_SEGMENT_CODE_CPU = 2, // flat position-independent text + rodata; tag = level (3: v3, 4: v4)
  INGOT_SEGMENT_CUBIN = 3,    // tag = architecture (80, 90, ...)
  INGOT_SEGMENT_PTX = 4,      // text; tag = lowest architecture it runs on
  INGOT_SEGMENT_TOKENIZER = 5,
  INGOT_SEGMENT_CHAT_TEMPLATE = 6,
};

typedef struct ingot_segment {
  uint32_t kind;
  uint32_t tag;
  uint64_t offset; // from the start of the file, a multiple of 4096
  uint64_t size;   // bytes used; the gap to the next segment is zero
  uint64_t hash;   // XXH3-64 of the bytes
} ingot_segment;

#define INGOT_FORMAT_VERSION 2u
#define INGOT_MAGIC "INGOT\r\n\x1a"
#define INGOT_SEGMENT_ALIGNMENT 4096u

#ifdef __cplusplus
}
static_assert(offsetof(ingot_batch, n_rows) == 8 && offsetof(ingot_batch, n_logits) == 24);
static_assert(offsetof(ingot_batch, token) == 48 && offsetof(ingot_batch, kv) == 104 && sizeof(ingot_batch) == 112);
static_assert(offsetof(ingot_args, slot) == 16 && sizeof(ingot_kv_view) == 24 && sizeof(ingot_q_tile) == 16);
static_assert(sizeof(ingot_header) == 72 && sizeof(ingot_segment) == 32);
#endif
