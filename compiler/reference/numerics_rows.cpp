// Row-wise ops of the numerics contract: reductions, norms, activation quantisation, rotary embedding.
#include "compiler/kernels/cpu/MathFunctions.h"
#include "compiler/reference/numerics.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

namespace ingot::numerics {
namespace {

// lane[i] = add(x, lane[i]) for the elements k = i mod 16, then the tree.
template <class Add> float reduceLanes(const float *x, size_t n, Add add) {
  std::array<float, 16> lane{};
  for (size_t k = 0; k < n; ++k) lane[k % 16] = add(x[k], lane[k % 16]);
  for (size_t half = 8; half; half /= 2)
    for (size_t i = 0; i < half; ++i) lane[i] += lane[i + half];
  return lane[0];
}

// The same with another start and another way to join two lanes.
template <class Join> float foldLanes(const float *x, size_t n, float start, Join join) {
  std::array<float, 16> lane;
  lane.fill(start);
  for (size_t k = 0; k < n; ++k) lane[k % 16] = join(lane[k % 16], x[k]);
  for (size_t half = 8; half; half /= 2)
    for (size_t i = 0; i < half; ++i) lane[i] = join(lane[i], lane[i + half]);
  return lane[0];
}

float squareSum(const float *x, size_t n, float shift) {
  return reduceLanes(x, n, [&](float v, float sum) {
    float c = v - shift;
    return std::fma(c, c, sum);
  });
}

void scaleRow(const float *x, size_t n, float shift, float r, const float *gain, const float *bias, float *y) {
  for (size_t k = 0; k < n; ++k) {
    float v = (x[k] - shift) * r;
    if (gain) v = v * gain[k];
    if (bias) v = v + bias[k];
    y[k] = v;
  }
}

} // namespace

float rowSum(const float *x, size_t n) {
  return reduceLanes(x, n, [](float v, float sum) { return sum + v; });
}

float rowProduct(const float *x, size_t n) {
  return foldLanes(x, n, 1.0f, [](float a, float b) { return a * b; });
}
float rowMax(const float *x, size_t n) {
  return foldLanes(x, n, -INFINITY, [](float a, float b) { return std::isnan(b) ? b : a < b ? b : a; });
}
float rowMin(const float *x, size_t n) {
  return foldLanes(x, n, INFINITY, [](float a, float b) { return std::isnan(b) ? b : b < a ? b : a; });
}

void softmax(const float *x, size_t n, float *y) {
  float high = rowMax(x, n);
  for (size_t k = 0; k < n; ++k) y[k] = exp(x[k] - high);
  float sum = rowSum(y, n);
  for (size_t k = 0; k < n; ++k) y[k] = y[k] / sum;
}

void rmsNorm(const float *x, size_t n, const float *gain, float eps, float *y) {
  float mean = squareSum(x, n, 0) / static_cast<float>(n);
  scaleRow(x, n, 0, 1.0f / std::sqrt(mean + eps), gain, nullptr, y);
}

void layerNorm(const float *x, size_t n, const float *gain, const float *bias, float eps, float *y) {
  float mean = rowSum(x, n) / static_cast<float>(n);
  float variance = squareSum(x, n, mean) / static_cast<float>(n);
  scaleRow(x, n, mean, 1.0f / std::sqrt(variance + eps), gain, bias, y);
}

void l2Norm(const float *x, size_t n, const float *gain, float eps, float *y) {
  scaleRow(x, n, 0, 1.0f / std::sqrt(squareSum(x, n, 0) + eps), gain, nullptr, y);
}

void quantise(const float *x, size_t n, size_t group, int8_t *a, float *d) {
  for (size_t begin = 0; begin < n; begin += group) {
    size_t end = std::min(n, begin + group);
    int32_t largest = 0; // the largest magnitude by its bits, so that NaN wins
    for (size_t k = begin; k < end; ++k) largest = std::max(largest, std::bit_cast<int32_t>(std::fabs(x[k])));
    float amax = std::bit_cast<float>(largest);
    float inverse = amax < 0x1p-120f ? 0.0f : 127.0f / amax;
    d[begin / group] = amax / 127.0f;
    for (size_t k = begin; k < end; ++k) {
      float product = x[k] * inverse;
      a[k] = static_cast<int8_t>(std::bit_cast<uint32_t>(product + math::roundMagic));
    }
  }
}

void angles(int32_t position, const float *freq, size_t n, float scale, float *out) {
  for (size_t i = 0; i < n; ++i) {
    float angle = static_cast<float>(position) * freq[i];
    out[i] = cos(angle) * scale;
    out[n + i] = sin(angle) * scale;
  }
}

void rope(float *x, const float *angles, size_t n, bool interleaved) {
  for (size_t i = 0; i < n; ++i) {
    float &first = interleaved ? x[2 * i] : x[i], &second = interleaved ? x[2 * i + 1] : x[n + i];
    float c = angles[i], s = angles[n + i], x1 = first, x2 = second;
    first = std::fma(x1, c, -(x2 * s));
    second = std::fma(x2, c, x1 * s);
  }
}

} // namespace ingot::numerics
