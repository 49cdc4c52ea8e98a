// The semantic check of a plan: after it, no index, size or address in the plan can lead outside what it names, so the
// runtime uses the plan without looking twice. The FlatBuffers verifier runs first (depth 16, 2 million tables).
//
// What holds of a checked plan:
//  P1   the FlatBuffer is well formed and carries our identifier; root tables are present
//  P2   facts: names present; 0 < vocab, hidden, layers; 0 < max_context < 2^31; ids < vocab_size; sampling finite
//  P3   programs: at least one, at most one a target. Code: every program has some; a code segment of the table belongs
//       to one entry; its kind is the target's, and its tag is the entry's level (CPU: 3 or 4; CUDA: 80 to 999)
//  P4   kernels: scratch <= 1 GiB. CPU: an address a code entry, in its order, inside that segment, 16-byte aligned; no
//       CTA's shape. CUDA: no address; 1..1024 threads, 1..2^24 items, shared memory <= 227 KiB; a name of 1 to 255
//       characters that PTX takes as it is
//  P5   weights: inside the weights segment, at a multiple of 64, not empty; rows * cols fits
//  P6   buffers: bytes and offset are multiples of 64; offset + bytes <= the arena's bytes a row (<= 1 TiB)
//  P7   cache groups: at most 16; nothing 0; page_bytes is a multiple of 64 and holds
//       layers * page_tokens * kv_heads * (key_dim + value_dim) elements; state slots: none yet
//  P8   body and head exist, have steps, and are of their own space
//  P9   a step has 1..64 bindings, each in range; a body step binds no head buffer and no logits; at most one
//       `prepared`, exactly when there are bytes for it: of a `prepare` grid, or (CUDA) of a `finish` grid, never both;
//       they are multiples of 64, <= 1 TiB
//  P10  variants: kernel in range; 0 < units <= 2^24; per > 0; (max_rows, streams) strictly ascend; the last is for
//       2^32 - 1 rows; q_tiles grids only in the body, where q_tile_rows > 0
//  P11  buffers of an arena that are alive at the same time do not overlap (alive: from the first step that binds it to
//       the last, body before head)
// P4, P6 and P8 to P11 hold of each program.
#pragma once
#include "runtime/artifact/layout.h"
#include "runtime/base/allocator.h"
#include "runtime/format/plan_generated.h"

namespace ingot {

inline constexpr uint32_t most_bindings = 64;
inline constexpr uint32_t most_cache_groups = 16;
inline constexpr uint32_t most_block_threads = 1024;
inline constexpr uint32_t most_shared_bytes = 227 * 1024; // of a CTA of compute capability 9.0

// `layout` was read by read_layout. The plan points into the layout's bytes. The allocator serves the liveness table.
Status check_plan(const Layout &layout, const char *name, const Allocator &allocator, const plan::Plan **checked);

// Names of vectors' entries and lengths of vectors that may be absent.
template <class T> uint32_t count_of(const flatbuffers::Vector<T> *vector) { return vector ? vector->size() : 0; }
inline const char *text_of(const flatbuffers::String *text) { return text ? text->c_str() : "?"; }
size_t bytes_of(plan::DType type);
const plan::Program *find_program(const plan::Plan &plan, plan::Target target); // null: none

} // namespace ingot
