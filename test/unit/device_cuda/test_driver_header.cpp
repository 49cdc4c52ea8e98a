// Our declaration of the driver's interface against NVIDIA's own header, where a toolkit is at hand: it is all checked
// when this file compiles.
#include "runtime/device/cuda/driver_api.h"

#include <gtest/gtest.h>
#include <type_traits>

namespace ingot::cuda {
namespace {

// Ours, taken before the header renames a name to that of a newer version or makes a macro of it.
constexpr unsigned host_alloc_flags[] = {CU_MEMHOSTALLOC_PORTABLE, CU_MEMHOSTALLOC_DEVICEMAP,
                                         CU_MEMHOSTALLOC_WRITECOMBINED};
#define INGOT_OURS(name, parameters) using ours_##name = decltype(DriverCalls::name);
INGOT_CUDA_CALLS(INGOT_OURS)
#undef INGOT_OURS

} // namespace
} // namespace ingot::cuda

#include <cuda.h>

namespace ingot::cuda {
namespace {

// Alike for a caller: the same scalars, pointers to the like, enums for enums; structs are compared below.
template <class A, class B> constexpr bool alike() {
  if constexpr (std::is_pointer_v<A> && std::is_pointer_v<B>) {
    using X = std::remove_pointer_t<A>;
    using Y = std::remove_pointer_t<B>;
    if constexpr (std::is_class_v<X> && std::is_class_v<Y>)
      return std::is_const_v<X> == std::is_const_v<Y>;
    else
      return std::is_const_v<X> == std::is_const_v<Y> && alike<std::remove_cv_t<X>, std::remove_cv_t<Y>>();
  } else if constexpr (std::is_enum_v<A> && std::is_enum_v<B>) {
    return sizeof(A) == sizeof(B);
  } else {
    return std::is_same_v<A, B>;
  }
}
template <class... A, class... B> constexpr bool same_call(CUresult (*)(A...), ::CUresult (*)(B...)) {
  if constexpr (sizeof...(A) == sizeof...(B)) return (alike<A, B>() && ...);
  return false;
}
#define INGOT_SAME(name, parameters) static_assert(same_call(ours_##name(), decltype (&::name)()), #name);
INGOT_CUDA_CALLS(INGOT_SAME)
#undef INGOT_SAME

// Structs, enumerators and flags.
#define INGOT_SAME_AT(type, field)                                                                                     \
  static_assert(offsetof(type, field) == offsetof(::type, field) && sizeof(type::field) == sizeof(::type::field))
static_assert(sizeof(CUlaunchAttributeValue) == sizeof(::CUlaunchAttributeValue));
static_assert(alignof(CUlaunchAttributeValue) == alignof(::CUlaunchAttributeValue));
static_assert(sizeof(CUlaunchAttribute) == sizeof(::CUlaunchAttribute));
static_assert(sizeof(CUlaunchConfig) == sizeof(::CUlaunchConfig));
INGOT_SAME_AT(CUlaunchAttributeValue, clusterDim);
INGOT_SAME_AT(CUlaunchAttributeValue, programmaticStreamSerializationAllowed);
INGOT_SAME_AT(CUlaunchAttributeValue, priority);
INGOT_SAME_AT(CUlaunchAttribute, id);
INGOT_SAME_AT(CUlaunchAttribute, value);
INGOT_SAME_AT(CUlaunchConfig, gridDimX);
INGOT_SAME_AT(CUlaunchConfig, gridDimY);
INGOT_SAME_AT(CUlaunchConfig, gridDimZ);
INGOT_SAME_AT(CUlaunchConfig, blockDimX);
INGOT_SAME_AT(CUlaunchConfig, blockDimY);
INGOT_SAME_AT(CUlaunchConfig, blockDimZ);
INGOT_SAME_AT(CUlaunchConfig, sharedMemBytes);
INGOT_SAME_AT(CUlaunchConfig, hStream);
INGOT_SAME_AT(CUlaunchConfig, attrs);
INGOT_SAME_AT(CUlaunchConfig, numAttrs);
static_assert(host_alloc_flags[0] == CU_MEMHOSTALLOC_PORTABLE && host_alloc_flags[1] == CU_MEMHOSTALLOC_DEVICEMAP);
static_assert(host_alloc_flags[2] == CU_MEMHOSTALLOC_WRITECOMBINED);

#define INGOT_SAME(name) static_assert(int(ingot::cuda::name) == int(::name));
#if CUDA_VERSION >= 12090         // which has them all
#include "driver_enumerators.inc" // INGOT_SAME of every enumerator in driver_api.h
#endif
INGOT_SAME(CU_CTX_SCHED_AUTO)
INGOT_SAME(CU_CTX_SCHED_SPIN)
INGOT_SAME(CU_CTX_SCHED_YIELD)
INGOT_SAME(CU_CTX_SCHED_BLOCKING_SYNC)
INGOT_SAME(CU_STREAM_DEFAULT)
INGOT_SAME(CU_STREAM_NON_BLOCKING)
INGOT_SAME(CU_EVENT_DEFAULT)
INGOT_SAME(CU_EVENT_BLOCKING_SYNC)
INGOT_SAME(CU_EVENT_DISABLE_TIMING)

TEST(DriverApi, IsTheToolkitsHeader) { SUCCEED() << "compared with CUDA " << CUDA_VERSION; }

} // namespace
} // namespace ingot::cuda
