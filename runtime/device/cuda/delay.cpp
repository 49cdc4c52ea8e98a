#include "runtime/device/cuda/delay.h"

namespace ingot::cuda {
namespace {

constexpr char text[] = R"(.version 7.0
.target sm_80
.address_size 64

.visible .entry ingot_delay(.param .u64 p_ns)
{
  .reg .pred %p<2>;
  .reg .b64 %rd<6>;

  ld.param.u64 %rd1, [p_ns];
  mov.u64 %rd2, %globaltimer;
$wait:
  mov.u64 %rd3, %globaltimer;
  sub.u64 %rd4, %rd3, %rd2;
  setp.lt.u64 %p1, %rd4, %rd1;
  @%p1 bra $wait;
  ret;
}
)";

} // namespace

Status Delay::load(Driver &driver) { return OwnKernel::load(driver, text, "ingot_delay"); }

Status Delay::launch(Driver &driver, CUstream stream, uint64_t ns) const {
  void *parameters[] = {&ns};
  return OwnKernel::launch(driver, stream, 1, 1, parameters);
}

} // namespace ingot::cuda
