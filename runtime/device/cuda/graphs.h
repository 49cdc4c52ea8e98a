// Steps as CUDA graphs, one a class of steps, captured when a class comes for the second time: a class that comes once
// (the odd end of a prompt) costs less as plain launches. A byte budget bounds them; the least recently used goes
// first.
//
// Invariant: a graph holds only addresses that never change after open (argument blocks, batch, scratch).
#pragma once
#include "runtime/base/allocator.h"
#include "runtime/device/cuda/driver.h"

namespace ingot::cuda {

// What tells classes apart. 0 rows: that entry does not run.
struct GraphKey {
  uint32_t body_rows = 0, head_rows = 0, splits = 0;
  uint32_t best = 0; // candidates that the head selects
  bool operator==(const GraphKey &) const = default;
};

class Graphs {
public:
  // What a kernel node is taken to need of the GPU's memory: the driver does not say; 1 to 4 KB were seen.
  static constexpr uint64_t node_bytes = 4096;

  Status open(const Allocator &allocator, uint64_t budget, uint64_t nodes_at_most);
  void close(Driver &driver);

  // The graph of a class, or null: `capture` then says whether to make it now.
  CUgraphExec find(const GraphKey &key, bool *capture);
  // Captures what `record(stream)` launches and keeps it. On an error nothing is kept and the stream does not capture.
  template <class Record>
  Status capture(Driver &driver, CUstream stream, const GraphKey &key, uint64_t nodes, Record record,
                 CUgraphExec *graph);

  uint64_t bytes() const { return bytes_; }
  uint32_t count() const; // of graphs that are there

private:
  struct Entry {
    GraphKey key;
    bool seen;
    CUgraphExec graph;
    uint64_t bytes, used; // used: the turn it was last asked for
  };

  Status begin(Driver &driver, CUstream stream);
  Status end(Driver &driver, CUstream stream, const Status &recorded, CUgraphExec *graph);
  void keep(Driver &driver, const GraphKey &key, uint64_t nodes, CUgraphExec graph);
  void drop(Driver &driver, Entry &entry);
  Entry *entry_of(const GraphKey &key);

  Array<Entry> entries_;
  uint64_t budget_ = 0, bytes_ = 0, turn_ = 0;
};

template <class Record>
Status Graphs::capture(Driver &driver, CUstream stream, const GraphKey &key, uint64_t nodes, Record record,
                       CUgraphExec *graph) {
  INGOT_TRY(begin(driver, stream));
  INGOT_TRY(end(driver, stream, record(), graph));
  keep(driver, key, nodes, *graph);
  return {};
}

} // namespace ingot::cuda
