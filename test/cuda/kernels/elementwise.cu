// Row-free kernels: what a thread computes depends on its own elements.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void saxpy(const float *x, float *y, float a, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] = a * x[i] + y[i];
}

extern "C" __global__ void silu_mul(const float *gate, const float *up, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = gate[i] / (1.0f + __expf(-gate[i])) * up[i];
}

extern "C" __global__ void gelu(const float *x, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  float v = x[i];
  out[i] = 0.5f * v * (1.0f + tanhf(0.7978845608f * (v + 0.044715f * v * v * v)));
}

extern "C" __global__ void rope(const float *x, const float *cosine, const float *sine, float *out, int heads, int half) {
  int token = blockIdx.x, head = blockIdx.y, d = threadIdx.x;
  if (d >= half) return;
  size_t row = (size_t(token) * heads + head) * 2 * half;
  float c = cosine[token * half + d], s = sine[token * half + d], low = x[row + d], high = x[row + half + d];
  out[row + d] = low * c - high * s;
  out[row + half + d] = low * s + high * c;
}

extern "C" __global__ void embed(const __nv_bfloat16 *table, const int *tokens, float *out, int width) {
  int token = tokens[blockIdx.x];
  for (int i = threadIdx.x; i < width; i += blockDim.x)
    out[size_t(blockIdx.x) * width + i] = __bfloat162float(table[size_t(token) * width + i]);
}

extern "C" __global__ void half2_fma(const __half2 *a, const __half2 *b, __half2 *c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = __hfma2(a[i], b[i], c[i]);
}

extern "C" __global__ void exponentials(const float *x, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = expf(x[i]) + log1pf(fabsf(x[i])) * rsqrtf(1.0f + x[i] * x[i]);
}
