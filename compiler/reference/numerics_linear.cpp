// Linear layers of the numerics contract.
#include "compiler/reference/numerics.h"

#include <algorithm>
#include <cmath>

namespace ingot::numerics {

float Grid::value(size_t row, size_t col) const {
  size_t g = row * groups() + col / group;
  float q = quant[row * cols + col];
  return minimum.empty() ? q * scale[g] : std::fma(q, scale[g], minimum[g]);
}

void linear(const float *x, size_t tokens, const float *w, size_t rows, size_t cols, float *y) {
  for (size_t t = 0; t < tokens; ++t)
    for (size_t n = 0; n < rows; ++n) {
      float acc = 0;
      for (size_t k = 0; k < cols; ++k) acc = std::fma(w[n * cols + k], x[t * cols + k], acc);
      y[t * rows + n] = acc;
    }
}

void linear(const float *x, size_t tokens, const Grid &weights, float *y) {
  std::vector<float> row(weights.cols), column(tokens);
  for (size_t n = 0; n < weights.rows; ++n) {
    for (size_t k = 0; k < weights.cols; ++k) row[k] = weights.value(n, k);
    linear(x, tokens, row.data(), 1, weights.cols, column.data());
    for (size_t t = 0; t < tokens; ++t) y[t * weights.rows + n] = column[t];
  }
}

// One output: a, d are one token's.
static float dot(const int8_t *a, const float *d, const Grid &weights, size_t n) {
  float acc = 0;
  for (size_t g = 0; g < weights.groups(); ++g) {
    int32_t sum = 0, total = 0;
    size_t end = std::min(weights.cols, (g + 1) * weights.group);
    for (size_t k = g * weights.group; k < end; ++k) {
      sum += weights.quant[n * weights.cols + k] * a[k];
      total += a[k];
    }
    size_t i = n * weights.groups() + g;
    acc = std::fma(static_cast<float>(sum), weights.scale[i] * d[g], acc);
    if (!weights.minimum.empty()) acc = std::fma(static_cast<float>(total), weights.minimum[i] * d[g], acc);
  }
  return acc;
}

void linear(const int8_t *a, const float *d, size_t tokens, const Grid &weights, float *y) {
  for (size_t t = 0; t < tokens; ++t)
    for (size_t n = 0; n < weights.rows; ++n)
      y[t * weights.rows + n] = dot(a + t * weights.cols, d + t * weights.groups(), weights, n);
}

} // namespace ingot::numerics
