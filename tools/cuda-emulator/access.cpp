#include "access.h"
#include <algorithm>

namespace ingot::emulator {

namespace {

bool check_alignment(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes, const char *space) {
  uint64_t low_bits = s.low | s.high;
  if (!s.contiguous && !s.uniform) each_lane(mask, [&](uint32_t l) { low_bits |= s.at[l]; });
  if (!(low_bits & (bytes - 1))) return true;
  for (uint32_t l = 0; l < 32; ++l)
    if ((mask >> l & 1) && (s.at[l] & (bytes - 1))) {
      w.fail(i, Fault::misaligned, l, s.at[l], "%s address 0x%llx of a %u-byte access", space,
             static_cast<unsigned long long>(s.at[l]), bytes);
      return false;
    }
  return true;
}

bool holds(const Allocation *a, uint64_t low, uint64_t end) {
  return a && low >= a->base && end >= low && end <= a->base + a->size && a->live.load(std::memory_order_relaxed);
}

bool fail_global(const Instr &i, Warp &w, uint32_t lane, uint64_t address, uint32_t bytes, bool write) {
  const Allocation *a = w.cta->worker->memory->find(address);
  const char *verb = write ? "writes" : "reads";
  auto hex = static_cast<unsigned long long>(address);
  if (!a)
    w.fail(i, Fault::out_of_bounds, lane, address, "%s %u bytes at 0x%llx, where nothing is allocated", verb, bytes,
           hex);
  else if (!a->live)
    w.fail(i, Fault::out_of_bounds, lane, address, "%s %u bytes at 0x%llx, in memory that was freed", verb, bytes, hex);
  else if (a->read_only && write)
    w.fail(i, Fault::out_of_bounds, lane, address, "writes %u bytes of constant memory", bytes);
  else
    w.fail(i, Fault::out_of_bounds, lane, address, "%s %u bytes at offset %lld of an allocation of %zu bytes", verb,
           bytes, static_cast<long long>(address - a->base), a->size);
  return false;
}

// One lane by itself: lanes of an instruction may be in different allocations.
bool check_lane(const Instr &i, Warp &w, uint32_t l, uint64_t at, uint32_t bytes, bool write, bool read) {
  Allocation *a = w.cta->worker->memory->find(at);
  if (!holds(a, at, at + bytes) || (write && a->read_only)) return fail_global(i, w, l, at, bytes, write);
  if ((!write || read) && !Memory::is_written(*a, at, bytes)) {
    w.fail(i, Fault::uninitialised, l, at,
           "reads %u bytes at offset %llu of an allocation of %zu bytes, which nobody wrote", bytes,
           static_cast<unsigned long long>(at - a->base), a->size);
    return false;
  }
  if (write) {
    Memory::mark_written(*a, at, bytes);
    Memory::mark_stored(*a, at, bytes);
  }
  return true;
}

// Lanes of `mask` whose bytes of shared memory are not all written, with nothing pending.
template <uint32_t Bytes> uint32_t not_plain(const uint8_t *state, const Addresses &s, uint32_t mask) {
  using Word =
      std::conditional_t<Bytes == 1, uint8_t,
                         std::conditional_t<Bytes == 2, uint16_t, std::conditional_t<Bytes == 4, uint32_t, uint64_t>>>;
  constexpr Word plain = Word(0x0101010101010101);
  uint32_t found = 0;
  for (uint32_t rest = mask; rest; rest &= rest - 1) {
    uint32_t l = uint32_t(std::countr_zero(rest));
    Word word, second = plain;
    memcpy(&word, state + s.at[l], sizeof word);
    if (Bytes == 16) memcpy(&second, state + s.at[l] + 8, sizeof word);
    found |= uint32_t(word != plain || second != plain) << l;
  }
  return found;
}

} // namespace

bool check_global(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes, bool write, bool read) {
  Worker &worker = *w.cta->worker;
  (write ? worker.counters.global_store_bytes : worker.counters.global_load_bytes) +=
      uint64_t(std::popcount(mask)) * bytes;
  if (!worker.options->checks) return true;
  if (!check_alignment(i, w, mask, s, bytes, "global")) return false;
  if (worker.options->global_races && w.cta->races && !races_global(i, w, mask, s.at, bytes, write, write && read))
    return false;
  const Allocation *&last = worker.last[size_t(&i - w.cta->program->code.data())];
  uint64_t end = s.high + bytes;
  if (!holds(last, s.low, end)) last = worker.memory->find(s.low);
  bool one_range = s.contiguous || s.uniform;
  if (holds(last, s.low, end)) { // all lanes are inside one allocation
    bool dense = one_range || end - s.low <= 64 * bytes;
    if (!write && end - last->base <= last->written_prefix.load(std::memory_order_relaxed)) return true;
    if (!write && dense && Memory::is_written(*last, s.low, end - s.low)) return true;
    if (write && !read && one_range && !last->read_only) {
      Memory::mark_written(const_cast<Allocation &>(*last), s.low, end - s.low);
      Memory::mark_stored(*last, s.low, end - s.low);
      return true;
    }
  }
  bool fine = true;
  each_lane(mask, [&](uint32_t l) { fine = fine && check_lane(i, w, l, s.at[l], bytes, write, read); });
  return fine;
}

bool check_constant(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes) {
  const Worker &worker = *w.cta->worker;
  if (!worker.options->checks) return true;
  uint32_t lane = 32;
  for (uint32_t l = 0; l < 32 && lane == 32; ++l) {
    if (!(mask >> l & 1)) continue;
    const Allocation *a = worker.memory->find(s.at[l]);
    if (a && Memory::is_stored(*a, s.at[l], bytes)) lane = l;
    if (s.uniform) break;
  }
  if (lane == 32) return true;
  w.fail(i, Fault::illegal, lane, s.at[lane],
         "ld.global.nc of what a kernel has stored: it may be read before griddepcontrol.wait, or from a stale cache");
  return false;
}

bool check_shared(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes, bool write, bool read) {
  Cta &cta = *w.cta;
  if (s.high >= cta.shared_bytes || s.high + bytes > cta.shared_bytes) { // checked always: it guards our own memory
    for (uint32_t l = 0; l < 32; ++l)
      if ((mask >> l & 1) && (s.at[l] >= cta.shared_bytes || s.at[l] + bytes > cta.shared_bytes)) {
        w.fail(i, Fault::out_of_bounds, l, s.at[l], "%s %u bytes at shared address 0x%llx of %u bytes",
               write ? "writes" : "reads", bytes, static_cast<unsigned long long>(s.at[l]), cta.shared_bytes);
        return false;
      }
  }
  if (!cta.worker->options->checks) return true;
  if (!check_alignment(i, w, mask, s, bytes, "shared")) return false;
  if (cta.races && !races_shared(i, w, mask, s.at, bytes, write, write && read)) return false;
  uint8_t *state = cta.state.data();
  auto bad = [&](uint32_t l) {
    uint8_t found = 0;
    bool written = true;
    for (uint32_t k = 0; k < bytes; ++k) {
      found |= state[s.at[l] + k];
      written &= state[s.at[l] + k] & shared_written;
    }
    if (found & shared_pending)
      w.fail(i, Fault::pending_copy, l, s.at[l],
             "%s %u bytes at shared address 0x%llx, where a cp.async that nobody waited for writes",
             write ? "writes" : "reads", bytes, static_cast<unsigned long long>(s.at[l]));
    else if (!written && (!write || read))
      w.fail(i, Fault::uninitialised, l, s.at[l], "reads %u bytes at shared address 0x%llx, which nobody wrote", bytes,
             static_cast<unsigned long long>(s.at[l]));
    else
      return false;
    return true;
  };
  if (s.contiguous || s.uniform) { // one range; the words past its end are looked at again byte by byte
    uint64_t length = s.high - s.low + bytes, k = 0, off = 0;
    if (!write) {
      for (; k + 8 <= length; k += 8) {
        uint64_t word;
        memcpy(&word, state + s.low + k, 8);
        off |= word ^ 0x0101010101010101;
      }
      for (; k < length; ++k) off |= state[s.low + k] ^ shared_written;
      if (!off) return true;
    } else if (!read) {
      for (; k + 8 <= length; k += 8) {
        uint64_t word;
        memcpy(&word, state + s.low + k, 8);
        off |= word & 0x0202020202020202;
      }
      for (; k < length; ++k) off |= state[s.low + k] & shared_pending;
      if (!off) {
        memset(state + s.low, shared_written, length);
        return true;
      }
    }
  }
  uint32_t suspects = bytes == 4    ? not_plain<4>(state, s, mask)
                      : bytes == 2  ? not_plain<2>(state, s, mask)
                      : bytes == 16 ? not_plain<16>(state, s, mask)
                      : bytes == 8  ? not_plain<8>(state, s, mask)
                                    : not_plain<1>(state, s, mask);
  for (; suspects; suspects &= suspects - 1)
    if (bad(uint32_t(std::countr_zero(suspects)))) return false;
  if (write) each_lane(mask, [&](uint32_t l) { set_state(state + s.at[l], bytes, shared_written); });
  return true;
}

bool check_window(const Instr &i, Warp &w, uint32_t mask, const Addresses &s, uint32_t bytes, size_t size,
                  const char *space) {
  if (!check_alignment(i, w, mask, s, bytes, space)) return false;
  for (uint32_t l = 0; l < 32; ++l)
    if ((mask >> l & 1) && (s.at[l] >= size || s.at[l] + bytes > size)) {
      w.fail(i, Fault::out_of_bounds, l, s.at[l], "%s address 0x%llx of %zu bytes", space,
             static_cast<unsigned long long>(s.at[l]), size);
      return false;
    }
  return true;
}

} // namespace ingot::emulator
