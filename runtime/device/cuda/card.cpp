#include "runtime/device/cuda/card.h"

#include <algorithm>
#include <cstdio>

namespace ingot::cuda {
namespace {

Status attribute(Driver &driver, const Card &card, CUdevice_attribute which, int *value) {
  return INGOT_CUDA(driver, cuDeviceGetAttribute, value, which, card.device);
}

Status read(Driver &driver, uint32_t index, Card *card) {
  int major = 0, minor = 0;
  INGOT_TRY(INGOT_CUDA(driver, cuDeviceGet, &card->device, int(index)));
  INGOT_TRY(INGOT_CUDA(driver, cuDeviceGetName, card->name, sizeof card->name - 1, card->device));
  INGOT_TRY(attribute(driver, *card, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &major));
  INGOT_TRY(attribute(driver, *card, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &minor));
  INGOT_TRY(attribute(driver, *card, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &card->shared_bytes));
  INGOT_TRY(attribute(driver, *card, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &card->processors));
  card->architecture = 10 * major + minor;
  return {};
}

Status count_cards(Driver &driver, uint32_t *count) {
  int number = 0;
  INGOT_TRY(INGOT_CUDA(driver, cuDeviceGetCount, &number));
  *count = uint32_t(std::max(number, 0));
  if (*count > 0) return {};
  return Status::error(Code::unsupported,
                       "no CUDA device: the driver sees no GPU (is CUDA_VISIBLE_DEVICES empty?); run on the CPU "
                       "(--device cpu)");
}

// Names the cards that there are, as far as the line goes.
Status no_card(Driver &driver, uint32_t index, uint32_t count) {
  char cards[280] = {};
  size_t used = 0;
  for (uint32_t i = 0; i < count && used + 90 < sizeof cards; ++i) {
    Card card;
    INGOT_TRY(read(driver, i, &card));
    used += size_t(snprintf(cards + used, sizeof cards - used, "%scuda:%u (%.60s)", i ? ", " : "", i, card.name));
  }
  return Status::error(Code::unsupported, "no GPU cuda:%u: the driver shows %u, %s", index, count, cards);
}

} // namespace

Status look_at(Driver &driver, uint32_t index, Card *card) {
  uint32_t count;
  INGOT_TRY(count_cards(driver, &count));
  return index < count ? read(driver, index, card) : no_card(driver, index, count);
}

Status describe_card(uint32_t index, char *text, size_t capacity, uint32_t *count) {
  Driver driver;
  Card card;
  size_t bytes = 0;
  INGOT_TRY(driver.open());
  INGOT_TRY(count_cards(driver, count));
  INGOT_TRY(look_at(driver, index, &card));
  INGOT_TRY(INGOT_CUDA(driver, cuDeviceTotalMem_v2, &bytes, card.device));
  snprintf(text, capacity, "%s, sm_%d, %.1f GB", card.name, card.architecture, double(bytes) * 1e-9);
  return {};
}

} // namespace ingot::cuda
