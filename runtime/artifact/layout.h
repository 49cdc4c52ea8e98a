// The frame of an artifact: header and segment records, checked before anything behind them is believed.
//
// What holds of a Layout that was read (the numbers are in the error tests):
//  L1  magic, then format version, then ABI version are ours
//  L2  the header's own hash holds; reserved fields are 0
//  L3  file_size is the file's size
//  L4  at most 64 segment records, inside the file; their hash holds
//  L5  the plan lies inside the file, behind the records, at a multiple of 8, is below 2 GiB; its hash holds
//  L6  each segment is of a known kind, inside the file, at a multiple of 4096, behind the plan and the segment before
//  it L7  at most one segment of each kind and tag
#pragma once
#include "runtime/base/span.h"
#include "runtime/base/status.h"
#include "runtime/format/abi.h"

namespace ingot {

struct Layout {
  Bytes file;
  const ingot_header *header = nullptr;
  const ingot_segment *segments = nullptr; // [header->segment_count]
  Bytes plan;

  Bytes bytes(const ingot_segment &segment) const { return file.subspan(segment.offset, segment.size); }
  // The segment of a kind, or null.
  const ingot_segment *find(uint32_t kind) const;
};

// `file` starts at a multiple of 8 and outlives the layout; `name` is what errors call it.
Status read_layout(Bytes file, const char *name, Layout *layout);

// XXH3-64.
uint64_t hash_of(Bytes bytes);

// "artifact NAME: ...; the file is damaged: build it again", for every check of this room.
Status damaged(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *segment_kind_name(uint32_t kind);

} // namespace ingot
