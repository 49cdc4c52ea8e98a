// streamRecipes: workers take items in order and put their bytes into a ring of slots; the calling thread empties the
// slots in order. An item is only started while it has a slot, so that memory is bounded and the bytes never depend on
// who was faster.
#include "compiler/weights/recipe.h"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

using namespace llvm;

namespace ingot {
namespace {

struct Slot {
  std::vector<uint8_t> bytes;
  std::string problem;
  bool ready = false;
};

class Stream {
public:
  Stream(ArrayRef<Recipe> recipes, unsigned jobs) : recipes(recipes), slots(2 * size_t(jobs)) {
    for (const Recipe &recipe : recipes) first.push_back(total), total += recipe.itemCount();
    try {
      for (unsigned i = 0; i < std::min<size_t>(jobs, total); ++i) workers.emplace_back([this] { work(); });
    } catch (const std::system_error &) {
      // Fewer threads than asked for give the same bytes; none is an error, below.
    }
  }
  ~Stream() {
    {
      std::lock_guard lock(mutex);
      stopped = true;
    }
    roomLeft.notify_all();
    for (std::thread &worker : workers) worker.join();
  }

  Error drain(function_ref<Error(size_t, ArrayRef<uint8_t>)> sink) {
    if (total > 0 && workers.empty()) return createStringError("cannot start a thread");
    for (size_t recipe = 0, item = 0; item < total; ++item) {
      while (item >= first[recipe] + recipes[recipe].itemCount()) ++recipe;
      Slot &slot = slots[item % slots.size()];
      std::unique_lock lock(mutex);
      itemDone.wait(lock, [&] { return slot.ready; });
      lock.unlock();
      if (!slot.problem.empty()) return createStringError(slot.problem);
      if (Error error = sink(recipe, slot.bytes)) return error;
      lock.lock();
      slot.ready = false;
      ++consumed;
      roomLeft.notify_all();
    }
    return Error::success();
  }

private:
  void work() {
    while (true) {
      size_t item;
      {
        std::unique_lock lock(mutex);
        roomLeft.wait(lock, [&] { return stopped || next >= total || next < consumed + slots.size(); });
        if (stopped || next >= total) return;
        item = next++;
      }
      Slot &slot = slots[item % slots.size()];
      size_t recipe = size_t(upper_bound(first, item) - first.begin()) - 1;
      Error error = recipes[recipe].evaluateItem(item - first[recipe], slot.bytes);
      std::lock_guard lock(mutex);
      slot.problem = toString(std::move(error));
      slot.ready = true;
      itemDone.notify_one();
    }
  }

  ArrayRef<Recipe> recipes;
  std::vector<size_t> first; // item number of each recipe's first item
  size_t total = 0;
  std::vector<Slot> slots;
  std::mutex mutex;
  std::condition_variable roomLeft, itemDone;
  size_t next = 0, consumed = 0;
  bool stopped = false;
  std::vector<std::thread> workers;
};

} // namespace

Error streamRecipes(ArrayRef<Recipe> recipes, unsigned jobs, function_ref<Error(size_t, ArrayRef<uint8_t>)> sink) {
  return Stream(recipes, std::max(1u, jobs)).drain(sink);
}

} // namespace ingot
