// Races between the threads of a CTA, found by vector clocks (as FastTrack does, Flanagan and Freund 2009): every byte
// knows who wrote it last and who read it since; an access that no barrier puts behind these is a race. Lanes of one
// warp are ordered among each other by bar.warp.sync and barriers only, as on hardware since sm_70. Of a byte of global
// memory only the last reader is kept, and two writes are not held against each other: threads may store the same
// value.
#include "lanes.h"
#include <unordered_map>

namespace ingot::emulator {

struct RaceShadow {
  struct Mark {
    uint32_t clock = 0; // of the warp; 0: nobody
    uint32_t epoch = 0; // of the warp's own synchronisations
    uint32_t line = 0;
    uint8_t warp = 0, lane = 0; // lane 32: several
    bool atomic = false;
    uint32_t serial = 0;
  };
  uint32_t warps = 0, serial = 0;
  std::vector<uint32_t> clocks; // [warp][of warp]
  std::vector<Mark> writers;    // by byte
  std::vector<Mark> readers;    // [byte][warp]
  struct Chunk {                // 16 bytes of global memory
    Mark writer[16], reader[16];
  };
  std::unordered_map<uint64_t, Chunk> global; // by address / 16

  // Is the access that left `m` not ordered before one by `lane` of `w` now?
  bool unordered(const Mark &m, const Warp &w, uint32_t lane, bool atomic) const {
    if (!m.clock || (atomic && m.atomic)) return false;
    if (m.warp != w.index) return m.clock > clocks[w.index * warps + m.warp];
    return m.serial != serial && m.lane != lane && m.epoch == w.sync_epoch;
  }
  Mark mark(const Instr &i, const Warp &w, uint32_t lane, bool atomic) const {
    return {clocks[w.index * warps + w.index], w.sync_epoch, i.line, uint8_t(w.index), uint8_t(lane), atomic, serial};
  }
};

Cta::Cta() = default;
Cta::~Cta() = default;

void races_stop(Cta &cta) { cta.races.reset(); }

void races_start(Cta &cta) {
  cta.races = std::make_unique<RaceShadow>();
  RaceShadow &r = *cta.races;
  r.warps = uint32_t(cta.warps.size());
  r.clocks.assign(size_t(r.warps) * r.warps, 0);
  for (uint32_t w = 0; w < r.warps; ++w) r.clocks[w * r.warps + w] = 1;
  r.writers.resize(cta.shared_bytes);
  r.readers.resize(size_t(cta.shared_bytes) * r.warps);
}

void races_join(Cta &cta, uint32_t arrived, uint32_t waited) {
  RaceShadow &r = *cta.races;
  std::vector<uint32_t> joined(r.warps, 0);
  for (uint32_t w = 0; w < r.warps; ++w)
    for (uint32_t k = 0; (arrived >> w & 1) && k < r.warps; ++k)
      joined[k] = std::max(joined[k], r.clocks[w * r.warps + k]);
  for (uint32_t w = 0; w < r.warps; ++w) {
    for (uint32_t k = 0; (waited >> w & 1) && k < r.warps; ++k) r.clocks[w * r.warps + k] = joined[k];
    if (arrived >> w & 1) ++r.clocks[w * r.warps + w];
  }
}

static bool report(const Instr &i, Warp &w, uint32_t lane, uint64_t at, bool write, const RaceShadow::Mark &m,
                   const char *did, const char *space) {
  w.fail(i, Fault::race, lane, at,
         "%s a byte of %s memory that warp %u lane %u %s at line %u, with no barrier in between",
         write ? "writes" : "reads", space, m.warp, m.lane, did, m.line);
  return false;
}

static bool races_shared_byte(const Instr &i, Warp &w, uint32_t lane, uint64_t byte, bool write, bool atomic) {
  RaceShadow &r = *w.cta->races;
  RaceShadow::Mark &writer = r.writers[byte], *readers = &r.readers[byte * r.warps], now = r.mark(i, w, lane, atomic);
  // Lanes of one store may write the same place (the same value, surely), together or one after the other.
  bool same_store = write && writer.warp == w.index && writer.line == i.line;
  if (!same_store && r.unordered(writer, w, lane, atomic))
    return report(i, w, lane, byte, write, writer, "wrote", "shared");
  if (!write) {
    RaceShadow::Mark &mine = readers[w.index];
    if (mine.clock && mine.epoch == w.sync_epoch && mine.lane != lane) now.lane = 32;
    mine = now;
    return true;
  }
  for (uint32_t k = 0; k < r.warps; ++k) {
    if (r.unordered(readers[k], w, lane, atomic)) return report(i, w, lane, byte, write, readers[k], "read", "shared");
    readers[k].clock = 0;
  }
  writer = now;
  return true;
}

static bool races_global_byte(const Instr &i, Warp &w, uint32_t lane, uint64_t at, RaceShadow::Chunk &chunk, bool write,
                              bool atomic) {
  RaceShadow &r = *w.cta->races;
  RaceShadow::Mark &writer = chunk.writer[at % 16], &reader = chunk.reader[at % 16], now = r.mark(i, w, lane, atomic);
  if ((!write || atomic) && !writer.atomic && r.unordered(writer, w, lane, atomic))
    return report(i, w, lane, at, write, writer, "wrote", "global");
  if (!write) {
    if (r.unordered(reader, w, lane, false)) now.lane = 32;
    reader = now;
    return true;
  }
  if (!atomic && r.unordered(reader, w, lane, false)) return report(i, w, lane, at, write, reader, "read", "global");
  reader.clock = 0;
  writer = now;
  return true;
}

bool races_shared(const Instr &i, Warp &w, uint32_t mask, const uint64_t *at, uint32_t bytes, bool write, bool atomic) {
  ++w.cta->races->serial;
  bool fine = true;
  each_lane(mask, [&](uint32_t l) {
    for (uint32_t k = 0; fine && k < bytes; ++k) fine = races_shared_byte(i, w, l, at[l] + k, write, atomic);
  });
  return fine;
}

bool races_global(const Instr &i, Warp &w, uint32_t mask, const uint64_t *at, uint32_t bytes, bool write, bool atomic) {
  RaceShadow &r = *w.cta->races;
  ++r.serial;
  bool fine = true;
  each_lane(mask, [&](uint32_t l) { // an aligned access lies in one chunk
    if (!fine) return;
    RaceShadow::Chunk &chunk = r.global[at[l] / 16];
    for (uint32_t k = 0; fine && k < bytes; ++k) fine = races_global_byte(i, w, l, at[l] + k, chunk, write, atomic);
  });
  return fine;
}

} // namespace ingot::emulator
