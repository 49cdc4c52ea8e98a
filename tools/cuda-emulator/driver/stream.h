// Runs what waits in streams. Work runs when a call needs it done, or earlier, as the seed says: seed 0 runs nothing
// before a synchronising call needs it (so a host that reads results too soon reads old ones), seed 1 runs everything
// at once (so a host that fills a buffer too late has sent the old contents), any other seed draws both the moment and,
// among the streams, the order.
#pragma once
#include "tools/cuda-emulator/driver/driver.h"

namespace ingot::emulator {

// The stream of a handle; null the legacy default stream. Null when the handle is none.
std::shared_ptr<Stream> stream_of(Driver &driver, cuda::CUstream handle);

// Puts work into a stream, or into the graph that it captures.
cuda::CUresult enqueue(Driver &driver, Lock &lock, const std::shared_ptr<Stream> &stream, Work work);

// Runs until the stream is empty, the recording done, or everything done. A hung kernel never lets them return.
cuda::CUresult finish(Driver &driver, Lock &lock, const std::shared_ptr<Stream> &stream);
cuda::CUresult finish(Driver &driver, Lock &lock, const std::shared_ptr<Recording> &recording);
cuda::CUresult finish_all(Driver &driver, Lock &lock);

// What a polling call makes happen: a little work, so that polling ends.
cuda::CUresult poll(Driver &driver, const std::shared_ptr<Stream> &stream);

// Does one piece of work now (execute.cpp). `chain`: launches that programmatically follow it.
cuda::CUresult execute(Driver &driver, Work &work, std::span<Work *const> chain);
bool hangs(const Driver &driver, const Work &work);

} // namespace ingot::emulator
