// Facts about architectures and drivers, as tables.
#include "tools/cuda-emulator/driver/card.h"

namespace ingot::emulator {

Card card_of(const Settings &settings) {
  Card card{settings.sm / 10, settings.sm % 10, 2048, 32, 65536, 164 << 10, 163 << 10, 1024,
            size_t(40) << 20, 1215000,          5120};
  auto shared = [&](size_t kib) { card.shared_per_sm = kib << 10, card.shared_per_block_optin = (kib - 1) << 10; };
  switch (settings.sm) {
  case 70:
    shared(96), card.shared_per_block_optin = 96 << 10, card.shared_reserved = 0;
    break;
  case 75:
    shared(64), card.shared_per_block_optin = 64 << 10, card.shared_reserved = 0;
    break;
  case 86:
  case 89:
    shared(100), card.blocks_per_sm = settings.sm == 86 ? 16 : 24;
    break;
  case 90:
  case 100:
  case 103:
    shared(228), card.l2 = size_t(50) << 20, card.memory_khz = 2619000;
    break;
  case 120:
  case 121:
    shared(100), card.blocks_per_sm = 24;
    break;
  default:
    break;
  }
  if (settings.sm == 75) card.threads_per_sm = 1024, card.blocks_per_sm = 16;
  if (settings.sm == 86 || settings.sm == 89 || settings.sm >= 120) card.threads_per_sm = 1536;
  return card;
}

bool attribute(const Card &card, const Settings &settings, cuda::CUdevice_attribute attribute, int *value) {
  using namespace cuda;
  switch (attribute) {
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y:
    *value = 1024;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z:
    *value = 64;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X:
    *value = 2147483647;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y:
  case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z:
    *value = 65535;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
    *value = 48 << 10;
    return true;
  case CU_DEVICE_ATTRIBUTE_TOTAL_CONSTANT_MEMORY:
    *value = 64 << 10;
    return true;
  case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
    *value = 32;
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_BLOCK:
  case CU_DEVICE_ATTRIBUTE_MAX_REGISTERS_PER_MULTIPROCESSOR:
    *value = int(card.registers_per_sm);
    return true;
  case CU_DEVICE_ATTRIBUTE_CLOCK_RATE:
    *value = 1410000;
    return true;
  case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
    *value = int(settings.sms);
    return true;
  case CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE:
    *value = int(card.memory_khz);
    return true;
  case CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH:
    *value = int(card.bus_bits);
    return true;
  case CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE:
    *value = int(card.l2);
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
    *value = int(card.threads_per_sm);
    return true;
  case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT:
    *value = 2;
    return true;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
    *value = int(card.major);
    return true;
  case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
    *value = int(card.minor);
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR:
    *value = int(card.shared_per_sm);
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN:
    *value = int(card.shared_per_block_optin);
    return true;
  case CU_DEVICE_ATTRIBUTE_RESERVED_SHARED_MEMORY_PER_BLOCK:
    *value = int(card.shared_reserved);
    return true;
  case CU_DEVICE_ATTRIBUTE_MAX_BLOCKS_PER_MULTIPROCESSOR:
    *value = int(card.blocks_per_sm);
    return true;
  case CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY:
  case CU_DEVICE_ATTRIBUTE_CONCURRENT_KERNELS:
  case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING:
    *value = 1;
    return true;
  // The interpreter runs neither cooperative grids nor clusters, so the card does not claim them.
  case CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH:
  case CU_DEVICE_ATTRIBUTE_CLUSTER_LAUNCH:
  case CU_DEVICE_ATTRIBUTE_KERNEL_EXEC_TIMEOUT:
  case CU_DEVICE_ATTRIBUTE_INTEGRATED:
  case CU_DEVICE_ATTRIBUTE_COMPUTE_MODE:
  case CU_DEVICE_ATTRIBUTE_ECC_ENABLED:
  case CU_DEVICE_ATTRIBUTE_PCI_BUS_ID:
  case CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID:
    *value = 0;
    return true;
  }
  return false;
}

unsigned ptx_version_of_driver(int driver) {
  struct Release {
    int driver;
    unsigned ptx;
  };
  static constexpr Release releases[] = {{13010, 91}, {13000, 90}, {12090, 88}, {12080, 87}, {12070, 86},
                                         {12050, 85}, {12040, 84}, {12030, 83}, {12020, 82}, {12010, 81},
                                         {12000, 80}, {11080, 78}, {11070, 77}, {11060, 76}, {11050, 75},
                                         {11040, 74}, {11030, 73}, {11020, 72}, {11010, 71}, {11000, 70}};
  for (const Release &release : releases)
    if (driver >= release.driver) return release.ptx;
  return 65;
}

} // namespace ingot::emulator
