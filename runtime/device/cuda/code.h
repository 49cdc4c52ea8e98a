// The artifact's code on this GPU: the cubin made for it, or else PTX that the driver compiles, and the kernels in it.
//
// Which: the highest cubin of the GPU's own major architecture that is not above it (binaries run on later minors);
// without one, or when the driver does not know it, the highest PTX that is not above the GPU.
#pragma once
#include "runtime/artifact/artifact.h"
#include "runtime/device/cuda/card.h"

namespace ingot::cuda {

class KernelCode {
public:
  // Finds the image to load. Error: the artifact has none for this GPU; it names what there is and what to do.
  Status choose(const Artifact &artifact, const plan::Program &program, const Card &card);
  // Bytes of GPU memory that the image may take (the driver does not say; twice its size covers what was seen).
  uint64_t memory() const { return 2 * uint64_t(image_.size()); }
  // Loads it and looks every kernel up. Errors: the driver cannot use the image, a kernel is missing or does not fit.
  Status load(Driver &driver, const Card &card, const Allocator &allocator);
  void unload(Driver &driver);

  CUfunction kernel(uint32_t index) const { return kernels_[index].function; }
  uint32_t level() const { return level_; } // of the loaded image
  // Whether kernels may begin before their predecessors have ended (they then wait for them by griddepcontrol).
  bool overlaps() const { return level_ >= 90; }

private:
  Status load_image(Driver &driver, const Allocator &allocator);
  Status load_ptx(Driver &driver, const Allocator &allocator);
  Status find(Driver &driver, const Card &card, uint32_t index);

  const Artifact *artifact_ = nullptr;
  const plan::Program *program_ = nullptr;
  Bytes image_, ptx_; // ptx_: empty or the text to take when the driver does not know the cubin in image_
  bool is_cubin_ = false;
  uint32_t level_ = 0, ptx_level_ = 0;
  CUmodule module_ = nullptr;
  struct Kernel {
    CUfunction function;
  };
  Array<Kernel> kernels_;
};

} // namespace ingot::cuda
