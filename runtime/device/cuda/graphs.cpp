#include "runtime/device/cuda/graphs.h"

#include <algorithm>

namespace ingot::cuda {

Status Graphs::open(const Allocator &allocator, uint64_t budget, uint64_t nodes_at_most) {
  budget_ = std::max(budget, nodes_at_most * node_bytes); // one always fits
  return entries_.take(allocator, 128, "graphs");
}

void Graphs::close(Driver &driver) {
  for (Entry &entry : entries_) drop(driver, entry);
}

void Graphs::drop(Driver &driver, Entry &entry) {
  if (entry.graph) (void)INGOT_CUDA(driver, cuGraphExecDestroy, entry.graph);
  bytes_ -= entry.bytes;
  entry = {};
}

Graphs::Entry *Graphs::entry_of(const GraphKey &key) {
  for (Entry &entry : entries_)
    if (entry.seen && entry.key == key) return &entry;
  return nullptr;
}

CUgraphExec Graphs::find(const GraphKey &key, bool *capture) {
  ++turn_;
  *capture = false;
  if (Entry *entry = entry_of(key)) {
    entry->used = turn_;
    *capture = !entry->graph;
    return entry->graph;
  }
  // A free entry, or the least recently used one without a graph: only keep() gives graphs up.
  Entry *free = nullptr;
  for (Entry &entry : entries_)
    if (!entry.graph && (!free || entry.used < free->used)) free = &entry;
  if (free) *free = {key, true, nullptr, 0, turn_};
  return nullptr;
}

uint32_t Graphs::count() const {
  return uint32_t(std::count_if(entries_.begin(), entries_.end(), [](const Entry &entry) { return entry.graph; }));
}

Status Graphs::begin(Driver &driver, CUstream stream) {
  return INGOT_CUDA(driver, cuStreamBeginCapture_v2, stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

Status Graphs::end(Driver &driver, CUstream stream, const Status &recorded, CUgraphExec *executable) {
  CUgraph graph = nullptr;
  Status status = INGOT_CUDA(driver, cuStreamEndCapture, stream, &graph);
  if (!recorded.ok()) status = recorded;
  if (status.ok()) status = INGOT_CUDA(driver, cuGraphInstantiateWithFlags, executable, graph, 0);
  if (graph) {
    Status destroyed = INGOT_CUDA(driver, cuGraphDestroy, graph);
    if (status.ok() && !destroyed.ok()) {
      (void)INGOT_CUDA(driver, cuGraphExecDestroy, *executable);
      status = destroyed;
    }
  }
  return status;
}

void Graphs::keep(Driver &driver, const GraphKey &key, uint64_t nodes, CUgraphExec graph) {
  uint64_t bytes = nodes * node_bytes;
  auto full = [&] { return bytes_ + bytes > budget_ || count() == entries_.size() - 1; };
  while (full()) {
    Entry *oldest = nullptr;
    for (Entry &entry : entries_)
      if (entry.graph && (!oldest || entry.used < oldest->used)) oldest = &entry;
    if (!oldest) break;
    drop(driver, *oldest);
  }
  Entry &entry = *entry_of(key);
  entry.graph = graph;
  entry.bytes = bytes;
  bytes_ += bytes;
}

} // namespace ingot::cuda
