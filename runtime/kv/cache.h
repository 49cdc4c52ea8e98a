// The books of a session's KV cache: which pages of each cache group are in use, and each sequence's block table. The
// pages' bytes are the device's; the cache only asks for copies.
//
// Invariants
//  1. Position p of sequence s lies in page table(g, s)[p / page_tokens]; entries without a page are 0.
//  2. Only pages with one reference are written: reserve() copies a shared page that new positions fall into.
//  3. reserve() either succeeds for all groups or leaves the sequence as it was.
//  4. Pages wholly before every later query's window are given back (window groups), by whole attention tiles of 128
//     positions, because a tile that is partly inside the window is read whole.
#pragma once
#include "runtime/artifact/check.h"
#include "runtime/kv/page_pool.h"

namespace ingot {

// Copies a page of a group. Copies and steps happen in the order in which they are asked for.
struct PageCopy {
  Status (*copy)(void *self, uint32_t group, uint32_t from, uint32_t to) = nullptr;
  void *self = nullptr;
};

struct CacheOptions {
  size_t bytes = 0; // for pages of all groups; 0: what every sequence at max_context needs
  uint32_t max_sequences = 1;
  uint32_t max_context = 1;
  uint32_t max_rows = 1; // new positions of one step: what a window group holds beyond its window
  PageCopy copy = {};    // called by reserve() where sequences were forked
  Allocator allocator = system_allocator();
};

class Cache {
public:
  Status open(const plan::Plan &plan, const CacheOptions &options);

  uint32_t groups() const { return n_groups_; }
  size_t stride(uint32_t group) const { return groups_[group].stride; }
  const uint32_t *table(uint32_t group, uint32_t sequence) const;

  // Makes positions [from, to) of a sequence writable; positions before `from` are in place. Errors: no page is free,
  // a page could not be copied.
  Status reserve(uint32_t sequence, uint32_t from, uint32_t to);
  // Gives back pages that no query at a position >= `next` can see.
  void slide(uint32_t sequence, uint32_t next);
  // Gives back pages that lie wholly at or after `length`.
  void truncate(uint32_t sequence, uint32_t length);
  // `to`, which is empty, shares every page of `from`.
  void fork(uint32_t from, uint32_t to);

  // Whether the positions before `length` are all still there (a window may have slid past them).
  bool holds(uint32_t sequence, uint32_t length) const;

  size_t used_bytes() const;
  size_t capacity_bytes() const;
  const PagePool &pages(uint32_t group) const { return groups_[group].pages; }

private:
  struct Group {
    PagePool pages;
    Array<uint32_t> tables; // [max_sequences][stride]
    Array<uint32_t> first;  // [max_sequences] first entry that was not given back by slide()
    size_t stride = 0;
    uint32_t page_tokens = 0, window = 0;
  };

  Status reserve_in(uint32_t group, uint32_t sequence, uint32_t from, uint32_t to);
  uint32_t *row(Group &group, uint32_t sequence) { return group.tables.data() + sequence * group.stride; }
  static void truncate_in(Group &group, uint32_t *row, uint32_t length);

  Group groups_[most_cache_groups];
  uint32_t n_groups_ = 0;
  PageCopy copy_;
};

// Bytes of pages that `sequences` sequences of `tokens` tokens need, and the smallest cache that can hold one page a
// group. `max_rows` as in CacheOptions.
size_t cache_bytes(const plan::Plan &plan, uint32_t sequences, uint32_t tokens, uint32_t max_rows);

} // namespace ingot
