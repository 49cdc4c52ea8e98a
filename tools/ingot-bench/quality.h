// How far a model is from a reference on a text: the same tokens through both, row by row.
#pragma once
#include "runtime/device/device.h"

#include <string>

namespace ingot {

struct Quality {
  uint64_t tokens = 0;
  double mean_kl = 0;        // KL(reference || model), nats
  double top1_agreement = 0; // of the likeliest token
  double perplexity = 0, reference_perplexity = 0;
};

// `device`: what the model runs on; the reference runs on the CPU if it can. Both are fed `chunk` tokens at a time,
// which changes no bit. Errors: vocabularies differ, no tokenizer, fewer than two tokens.
Status measure_quality(const Artifact &model, DeviceChoice device, const Artifact &reference, const std::string &text,
                       uint32_t chunk, Quality *quality);

} // namespace ingot
