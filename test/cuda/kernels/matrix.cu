// Products with vectors and matrices, in the ways that our kernels use: wide loads, packed weights, tensor cores fed by
// cp.async and ldmatrix.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cstdint>

static __device__ float warp_sum(float v) {
  for (int offset = 16; offset; offset >>= 1) v += __shfl_xor_sync(~0u, v, offset);
  return v;
}

// A warp a row; eight bf16 a load.
extern "C" __global__ void gemv_bf16(const uint4 *weights, const float *x, float *out, int k) {
  int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31;
  float sum = 0;
  for (int i = lane; i < k / 8; i += 32) {
    uint4 v = __ldg(&weights[size_t(row) * (k / 8) + i]);
    uint32_t words[4] = {v.x, v.y, v.z, v.w};
    for (int j = 0; j < 4; ++j) {
      sum = fmaf(__uint_as_float(words[j] << 16), x[8 * i + 2 * j], sum);
      sum = fmaf(__uint_as_float(words[j] & 0xffff0000u), x[8 * i + 2 * j + 1], sum);
    }
  }
  sum = warp_sum(sum);
  if (!lane) out[row] = sum;
}

// Groups of 32 4-bit weights around 8, an f16 scale each.
extern "C" __global__ void gemv_int4(const uint4 *weights, const __half *scales, const float *x, float *out, int k) {
  int row = blockIdx.x * (blockDim.x >> 5) + (threadIdx.x >> 5), lane = threadIdx.x & 31, groups = k / 32;
  float total = 0;
  for (int group = lane; group < groups; group += 32) {
    uint4 v = weights[size_t(row) * groups + group];
    uint32_t words[4] = {v.x, v.y, v.z, v.w};
    float sum = 0;
    for (int j = 0; j < 4; ++j)
      for (int i = 0; i < 8; ++i) sum = fmaf(float(int(words[j] >> 4 * i & 15) - 8), x[group * 32 + 8 * j + i], sum);
    total = fmaf(sum, __half2float(scales[row * groups + group]), total);
  }
  total = warp_sum(total);
  if (!lane) out[row] = total;
}

extern "C" __global__ void gemv_dp4a(const int *weights, const int *x, int *out, int k) {
  int row = blockIdx.x * blockDim.x + threadIdx.x, sum = 0;
  for (int i = 0; i < k / 4; ++i) sum = __dp4a(weights[row * (k / 4) + i], x[i], sum);
  out[row] = sum;
}

// Amax of 32 elements, rounded to int8.
extern "C" __global__ void quantise(const float *x, signed char *q, float *scale) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  float most = fabsf(x[i]);
  for (int offset = 16; offset; offset >>= 1) most = fmaxf(most, __shfl_xor_sync(~0u, most, offset));
  float inverse = most > 0 ? 127.0f / most : 0.0f;
  int value = __float2int_rn(x[i] * inverse);
  q[i] = (signed char)max(-127, min(127, value));
  if (!(threadIdx.x & 31)) scale[i / 32] = most / 127.0f;
}

extern "C" __global__ void transpose(const float *x, float *out, int rows, int columns) {
  __shared__ float tile[32][33];
  int column = blockIdx.x * 32 + threadIdx.x;
  for (int y = threadIdx.y; y < 32; y += blockDim.y)
    if (blockIdx.y * 32 + y < rows && column < columns)
      tile[y][threadIdx.x] = x[size_t(blockIdx.y * 32 + y) * columns + column];
  __syncthreads();
  int row = blockIdx.y * 32 + threadIdx.x;
  for (int y = threadIdx.y; y < 32; y += blockDim.y)
    if (blockIdx.x * 32 + y < columns && row < rows)
      out[size_t(blockIdx.x * 32 + y) * rows + row] = tile[threadIdx.x][y];
}

// out[16 x 8] = a[16 x k] b[8 x k]^T in one warp, tiles of 16 k double-buffered by cp.async.
extern "C" __global__ void gemm_mma(const __nv_bfloat16 *a, const __nv_bfloat16 *b, float *out, int k) {
  __shared__ __align__(16) __nv_bfloat16 tiles[2][24][24]; // 16 rows of a, 8 of b; padded rows
  int lane = threadIdx.x;
  auto fetch = [&](int step) {
    for (int piece = lane; piece < 48; piece += 32) {
      int row = piece / 2, part = piece % 2 * 8;
      const __nv_bfloat16 *from = (row < 16 ? a + row * k : b + (row - 16) * k) + step * 16 + part;
      unsigned to = (unsigned)__cvta_generic_to_shared(&tiles[step & 1][row][part]);
      asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(to), "l"(from) : "memory");
    }
    asm volatile("cp.async.commit_group;" ::: "memory");
  };
  float c[4] = {0, 0, 0, 0};
  int steps = k / 16;
  fetch(0);
  for (int step = 0; step < steps; ++step) {
    if (step + 1 < steps) {
      fetch(step + 1);
      asm volatile("cp.async.wait_group 1;" ::: "memory");
    } else {
      asm volatile("cp.async.wait_group 0;" ::: "memory");
    }
    __syncwarp();
    unsigned fa[4], fb[2];
    unsigned at_a = (unsigned)__cvta_generic_to_shared(&tiles[step & 1][lane % 16][lane / 16 * 8]);
    unsigned at_b = (unsigned)__cvta_generic_to_shared(&tiles[step & 1][16 + lane % 8][lane / 8 % 2 * 8]);
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3])
                 : "r"(at_a)
                 : "memory");
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
                 : "=r"(fb[0]), "=r"(fb[1])
                 : "r"(at_b)
                 : "memory");
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
    __syncwarp();
  }
  int row = lane / 4, column = lane % 4 * 2;
  *(float2 *)&out[row * 8 + column] = make_float2(c[0], c[1]);
  *(float2 *)&out[(row + 8) * 8 + column] = make_float2(c[2], c[3]);
}

// One query against n keys with a running maximum: flash decoding of one warp, two elements of the head a lane.
extern "C" __global__ void attend(const float2 *query, const __half2 *keys, const __half2 *values, float2 *out, int n,
                                  float scale) {
  int head = blockIdx.x, lane = threadIdx.x;
  float2 q = query[head * 32 + lane], sum = make_float2(0, 0);
  float most = -INFINITY, total = 0;
  for (int t = 0; t < n; ++t) {
    float2 key = __half22float2(keys[(head * n + t) * 32 + lane]);
    float score = warp_sum(q.x * key.x + q.y * key.y) * scale;
    float more = fmaxf(most, score), keep = __expf(most - more), weight = __expf(score - more);
    float2 value = __half22float2(values[(head * n + t) * 32 + lane]);
    sum.x = sum.x * keep + weight * value.x;
    sum.y = sum.y * keep + weight * value.y;
    total = total * keep + weight;
    most = more;
  }
  out[head * 32 + lane] = make_float2(sum.x / total, sum.y / total);
}
