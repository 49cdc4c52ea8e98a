// The numerics contract as scalar code: every op's arithmetic, bit for bit what generated kernels compute at every
// level, chunking and thread count. Obvious and slow; the reference evaluator's f32 mode and the oracle of kernel
// tests.
//
// Invariants
//  1. Contraction is off; a fused multiply-add happens where fma is written and nowhere else.
//  2. A result depends on the values given and on nothing else; callers run under MXCSR 0x1F80 (the default).
//  3. Sums over a row run in 16 logical lanes, lane i taking k = i mod 16 in ascending order from +0, then the tree
//     +8, +4, +2, +1 (lane i += lane i + 8, ...). Sums of a linear are one chain per output, k ascending, from +0.
//
// All matrices are row-major; rows of x are tokens. Outputs must not overlap inputs unless said. Nothing here fails:
// shapes are the caller's to check. Thread-safe.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace ingot::numerics {

// Elementary functions and activations: compiler/kernels/cpu/MathFunctions.h on floats.
float exp(float x);
float log(float x);
float tanh(float x);
float sin(float x);
float cos(float x);
float erf(float x);
float sigmoid(float x);
float silu(float x);
float gelu(float x);     // erf form
float geluTanh(float x); // tanh approximation
float quickGelu(float x);
float relu(float x);
float reluSquared(float x);
float softcap(float x, float cap);
// The rarer ones: MathWide.h on floats.
float pow(float x, float y);
float tan(float x);
float asin(float x);
float acos(float x);
float atan(float x);
float sinh(float x);
float cosh(float x);
float asinh(float x);
float acosh(float x);
float atanh(float x);
float softplus(float x);

// f32 to f16 and back, ties to even; what a value becomes in an f16 cache or weight.
float roundToHalf(float x);

// A row's sum in 16 lanes (invariant 3).
float rowSum(const float *x, size_t n);

// Product, largest and smallest element of a row in the same lanes and tree; NaN if any is.
float rowProduct(const float *x, size_t n);
float rowMax(const float *x, size_t n);
float rowMin(const float *x, size_t n);
// y = exp(x - max) / sum. In place is allowed.
void softmax(const float *x, size_t n, float *y);

// y = (x * r) * gain, r = 1 / sqrt(sum(x^2) / n + eps); gain may be null (no multiplication). In place is allowed.
void rmsNorm(const float *x, size_t n, const float *gain, float eps, float *y);
// y = (c * r) * gain + bias, c = x - mean, r = 1 / sqrt(sum(c^2) / n + eps); gain and bias may be null. In place is
// allowed.
void layerNorm(const float *x, size_t n, const float *gain, const float *bias, float eps, float *y);
// y = (x * r) * gain, r = 1 / sqrt(sum(x^2) + eps); gain may be null. In place is allowed.
void l2Norm(const float *x, size_t n, const float *gain, float eps, float *y);

// One row in groups of `group` (the last may be short): d = amax / 127, a = rne(x * (127 / amax)) in [-127, 127]; a = 0
// where amax < 2^-120. A NaN makes its group's d NaN. a: [n], d: [ceil(n / group)].
void quantise(const float *x, size_t n, size_t group, int8_t *a, float *d);

// Weights on an integer grid: value = quant * scale rounded once, or fma(quant, scale, minimum) where there are minima.
struct Grid {
  size_t rows = 0, cols = 0, group = 0;
  std::vector<int16_t> quant; // [rows][cols], zero point subtracted
  std::vector<float> scale;   // [rows][groups()]
  std::vector<float> minimum; // empty or [rows][groups()]

  size_t groups() const { return (cols + group - 1) / group; }
  float value(size_t row, size_t col) const;
};

// y[t][n] = chain over k of fma(w[n][k], x[t][k], acc). w: [rows][cols] f32 (f16 weights: converted, which is exact).
void linear(const float *x, size_t tokens, const float *w, size_t rows, size_t cols, float *y);
// The same with w = weights.value(n, k): bit-equal to the dequantised model.
void linear(const float *x, size_t tokens, const Grid &weights, float *y);
// int8 activations as quantise() makes them, a: [tokens][cols], d: [tokens][groups], group = the weights' group:
// acc = fma(f32(sum quant * a), scale * d, acc), then with minima acc = fma(f32(sum a), minimum * d, acc); groups
// ascending.
void linear(const int8_t *a, const float *d, size_t tokens, const Grid &weights, float *y);

// [cos(p f_0) .. cos(p f_{n-1}), sin(p f_0) ..], each times scale. out: [2n]
void angles(int32_t position, const float *freq, size_t n, float scale, float *out);
// One head in place: pairs (i, i + n), or (2i, 2i + 1) when interleaved, turn by angles [2n] (cosines, then sines):
// y1 = fma(x1, c, -(x2 * s)), y2 = fma(x2, c, x1 * s).
void rope(float *x, const float *angles, size_t n, bool interleaved);

struct AttentionShape {
  size_t heads, kvHeads, keyDim, valueDim;
  float scale;
  float softcap = 0;             // 0: none
  size_t window = 0;             // 0: none; else keys j > position - window
  const float *slopes = nullptr; // alibi, one a head: score = fma(slope, j - position, score)
  const float *sinks = nullptr;  // one a head: joins the denominator after the last tile
};

// One query token at `position` over keys and values 0..position of its sequence, in tiles of 128 absolute positions:
// m_t, l_t, o_t per tile over visible keys only; tiles combine ascending from (-inf, 0, 0).
// q: [heads * keyDim], k: [position + 1][kvHeads * keyDim], v: [position + 1][kvHeads * valueDim], both already rounded
// to the cache's type; out: [heads * valueDim]
void attention(const AttentionShape &shape, const float *q, const float *k, const float *v, size_t position,
               float *out);

} // namespace ingot::numerics
