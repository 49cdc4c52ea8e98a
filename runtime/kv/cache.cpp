#include "runtime/kv/cache.h"

#include <algorithm>

namespace ingot {
namespace {

constexpr uint32_t tile_tokens = 128; // of the attention contract: positions [128t, 128t + 128)

// Pages that a sequence of `tokens` positions holds at most at one time.
uint64_t pages_of(const plan::CacheGroup &group, uint32_t tokens, uint32_t max_rows) {
  uint64_t live = tokens;
  if (group.window() > 0) live = std::min<uint64_t>(live, uint64_t(group.window()) + max_rows + tile_tokens);
  bool slides = live < tokens;
  return (live + group.page_tokens() - 1) / group.page_tokens() + slides;
}

// Saturates, for sizes that nobody can have.
size_t saturating_product(size_t a, size_t b) {
  size_t product;
  return checked_mul(a, b, &product) ? product : SIZE_MAX / 4;
}

} // namespace

size_t cache_bytes(const plan::Plan &plan, uint32_t sequences, uint32_t tokens, uint32_t max_rows) {
  size_t total = 0;
  for (uint32_t g = 0; g < count_of(plan.cache_groups()); ++g) {
    const plan::CacheGroup &group = *plan.cache_groups()->Get(g);
    size_t bytes =
        saturating_product(saturating_product(pages_of(group, tokens, max_rows), sequences), group.page_bytes());
    if (!checked_add(total, std::min(bytes, SIZE_MAX / 4), &total)) return SIZE_MAX / 4;
  }
  return std::min(total, SIZE_MAX / 4);
}

// The budget is shared so that every group can hold the same fraction of all sequences at full length.
Status Cache::open(const plan::Plan &plan, const CacheOptions &options) {
  size_t full = cache_bytes(plan, options.max_sequences, options.max_context, options.max_rows);
  size_t bytes = options.bytes && options.bytes < full ? options.bytes : full;
  n_groups_ = count_of(plan.cache_groups());
  copy_ = options.copy;
  for (uint32_t g = 0; g < n_groups_; ++g) {
    const plan::CacheGroup &facts = *plan.cache_groups()->Get(g);
    Group &group = groups_[g];
    group.page_tokens = facts.page_tokens();
    group.window = facts.window();
    group.stride = (size_t(options.max_context) + group.page_tokens - 1) / group.page_tokens;
    size_t most = saturating_product(pages_of(facts, options.max_context, options.max_rows), options.max_sequences);
    size_t pages = size_t(double(most) * (double(bytes) / double(full)));
    pages = bytes == full ? most : std::min(pages, most);
    if (pages == 0)
      return Status::error(Code::bad_input,
                           "KV memory: %zu bytes hold not one page of group %u '%.60s' (%llu bytes a page)", bytes, g,
                           text_of(facts.name()), (unsigned long long)facts.page_bytes());
    if (pages >= UINT32_MAX) return Status::error(Code::no_memory, "KV memory: %zu pages are too many", pages);
    INGOT_TRY(group.pages.open(options.allocator, facts.page_bytes(), uint32_t(pages)));
    size_t entries;
    if (!checked_mul(group.stride, options.max_sequences, &entries))
      return Status::error(Code::no_memory, "block tables: the sizes overflow");
    INGOT_TRY(group.tables.take(options.allocator, entries, "block tables"));
    INGOT_TRY(group.first.take(options.allocator, options.max_sequences, "block tables"));
  }
  return {};
}

const uint32_t *Cache::table(uint32_t group, uint32_t sequence) const {
  return groups_[group].tables.data() + sequence * groups_[group].stride;
}

Status Cache::reserve_in(uint32_t g, uint32_t sequence, uint32_t from, uint32_t to) {
  Group &group = groups_[g];
  uint32_t *entries = row(group, sequence);
  for (uint32_t e = from / group.page_tokens; e < (uint64_t(to) + group.page_tokens - 1) / group.page_tokens; ++e) {
    uint32_t old = entries[e];
    if (old && group.pages.references(old) == 1) continue;
    uint32_t page = group.pages.take();
    if (!page)
      return Status::error(
          Code::no_memory,
          "the KV cache is full: all %u pages of a group are in use; free a sequence or give it more memory",
          group.pages.capacity());
    if (old) {
      Status status = copy_.copy(copy_.self, g, old, page);
      if (!status.ok()) {
        group.pages.release(page);
        return status;
      }
      group.pages.release(old);
    }
    entries[e] = page;
  }
  return {};
}

Status Cache::reserve(uint32_t sequence, uint32_t from, uint32_t to) {
  for (uint32_t g = 0; g < n_groups_; ++g) {
    Status status = reserve_in(g, sequence, from, to);
    if (status.ok()) continue;
    truncate(sequence, from);
    return status;
  }
  return {};
}

void Cache::slide(uint32_t sequence, uint32_t next) {
  for (uint32_t g = 0; g < n_groups_; ++g) {
    Group &group = groups_[g];
    if (group.window == 0 || next < group.window) continue;
    uint32_t seen_from = (next - group.window + 1) / tile_tokens * tile_tokens;
    uint32_t *entries = row(group, sequence);
    for (uint32_t &e = group.first[sequence]; (uint64_t(e) + 1) * group.page_tokens <= seen_from; ++e) {
      if (entries[e]) group.pages.release(entries[e]);
      entries[e] = 0;
    }
  }
}

void Cache::truncate_in(Group &group, uint32_t *entries, uint32_t length) {
  for (size_t e = (uint64_t(length) + group.page_tokens - 1) / group.page_tokens; e < group.stride; ++e) {
    if (entries[e]) group.pages.release(entries[e]);
    entries[e] = 0;
  }
}

void Cache::truncate(uint32_t sequence, uint32_t length) {
  for (uint32_t g = 0; g < n_groups_; ++g) {
    truncate_in(groups_[g], row(groups_[g], sequence), length);
    if (length == 0) groups_[g].first[sequence] = 0;
  }
}

void Cache::fork(uint32_t from, uint32_t to) {
  for (uint32_t g = 0; g < n_groups_; ++g) {
    Group &group = groups_[g];
    for (size_t e = 0; e < group.stride; ++e) {
      uint32_t page = row(group, from)[e];
      if (page) group.pages.share(page);
      row(group, to)[e] = page;
    }
    group.first[to] = group.first[from];
  }
}

bool Cache::holds(uint32_t sequence, uint32_t length) const {
  for (uint32_t g = 0; g < n_groups_; ++g) {
    const Group &group = groups_[g];
    if (group.window == 0 || length == 0) continue;
    // The first position that a query at `length` sees.
    uint32_t needed = length >= group.window ? (length - group.window + 1) / tile_tokens * tile_tokens : 0;
    if (uint64_t(group.first[sequence]) * group.page_tokens > needed) return false;
  }
  return true;
}

size_t Cache::used_bytes() const {
  size_t total = 0;
  for (uint32_t g = 0; g < n_groups_; ++g) total += groups_[g].pages.used() * groups_[g].pages.page_bytes();
  return total;
}

size_t Cache::capacity_bytes() const {
  size_t total = 0;
  for (uint32_t g = 0; g < n_groups_; ++g) total += groups_[g].pages.capacity() * groups_[g].pages.page_bytes();
  return total;
}

} // namespace ingot
