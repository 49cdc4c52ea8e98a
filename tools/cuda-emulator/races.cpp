// Shared-memory races, found by vector clocks (as FastTrack does, Flanagan and Freund 2009): every byte knows who wrote
// it last and which warps read it since; an access that no barrier puts behind these is a race. Lanes of one warp are
// ordered among each other by bar.warp.sync and barriers only, as on hardware since sm_70.
#include "lanes.h"

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

static bool races_byte(const Instr &i, Warp &w, uint32_t lane, uint64_t byte, bool write, bool atomic) {
  RaceShadow &r = *w.cta->races;
  const uint32_t *seen = &r.clocks[w.index * r.warps];
  auto against = [&](const RaceShadow::Mark &m, uint32_t warp) {
    if (!m.clock || (atomic && m.atomic)) return false;
    if (warp != w.index) return m.clock > seen[warp];
    return m.serial != r.serial && m.lane != lane && m.epoch == w.sync_epoch;
  };
  auto report = [&](const RaceShadow::Mark &m, uint32_t warp, const char *did) {
    w.fail(i, Fault::race, lane, byte,
           "%s shared byte %llu that warp %u lane %u %s at line %u, with no barrier in between",
           write ? "writes" : "reads", static_cast<unsigned long long>(byte), warp, m.lane, did, m.line);
    return false;
  };
  RaceShadow::Mark &writer = r.writers[byte];
  if (against(writer, writer.warp)) return report(writer, writer.warp, "wrote");
  RaceShadow::Mark *readers = &r.readers[byte * r.warps], now;
  now = {seen[w.index], w.sync_epoch, i.line, uint8_t(w.index), uint8_t(lane), atomic, r.serial};
  if (!write) {
    RaceShadow::Mark &mine = readers[w.index];
    if (mine.clock && mine.epoch == w.sync_epoch && mine.lane != lane) now.lane = 32;
    mine = now;
    return true;
  }
  for (uint32_t k = 0; k < r.warps; ++k) {
    if (against(readers[k], k)) return report(readers[k], k, "read");
    readers[k].clock = 0;
  }
  writer = now;
  return true;
}

bool races_access(const Instr &i, Warp &w, uint32_t mask, const uint64_t *at, uint32_t bytes, bool write, bool atomic) {
  ++w.cta->races->serial;
  bool fine = true;
  each_lane(mask, [&](uint32_t l) {
    for (uint32_t k = 0; fine && k < bytes; ++k) fine = races_byte(i, w, l, at[l] + k, write, atomic);
  });
  return fine;
}

} // namespace ingot::emulator
