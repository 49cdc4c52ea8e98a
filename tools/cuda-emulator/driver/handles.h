// Handles that can be judged: a number no address can have, its kind in the top byte, never handed out twice. So a
// handle of another kind, a destroyed one and a stray pointer are all found, and none is ever dereferenced.
#pragma once
#include <cstdint>
#include <map>
#include <memory>

namespace ingot::emulator {

enum class HandleKind : uint64_t { context = 0xc1, stream, event, module, function, graph, executable };

template <typename Object, typename Handle, HandleKind kind> class Handles {
public:
  Handle add(std::shared_ptr<Object> object) {
    uint64_t number = uint64_t(kind) << 56 | ++serial_ << 4;
    objects_.emplace(number, std::move(object));
    return reinterpret_cast<Handle>(number);
  }
  // Null when the handle is none of ours or no longer alive.
  std::shared_ptr<Object> find(Handle handle) const {
    auto found = objects_.find(reinterpret_cast<uint64_t>(handle));
    return found == objects_.end() ? nullptr : found->second;
  }
  std::shared_ptr<Object> remove(Handle handle) {
    auto found = objects_.find(reinterpret_cast<uint64_t>(handle));
    if (found == objects_.end()) return nullptr;
    std::shared_ptr<Object> object = std::move(found->second);
    objects_.erase(found);
    return object;
  }
  template <typename Visit> void each(Visit &&visit) const {
    for (auto &[number, object] : objects_) visit(*object);
  }
  size_t size() const { return objects_.size(); }
  void clear() { objects_.clear(); }

private:
  std::map<uint64_t, std::shared_ptr<Object>> objects_;
  uint64_t serial_ = 0;
};

} // namespace ingot::emulator
