// Kernels that bring threads together: shuffles, shared memory, barriers, atomics.

static __device__ float warp_sum(float v) {
  for (int offset = 16; offset; offset >>= 1) v += __shfl_xor_sync(~0u, v, offset);
  return v;
}

static __device__ float block_sum(float v, float *scratch) {
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  v = warp_sum(v);
  if (!lane) scratch[warp] = v;
  __syncthreads();
  v = lane < blockDim.x >> 5 ? scratch[lane] : 0.0f;
  __syncthreads();
  return warp_sum(v);
}

extern "C" __global__ void rms_norm(const float *x, const float *weight, float *out, int width, float epsilon) {
  __shared__ float scratch[32];
  const float *row = x + size_t(blockIdx.x) * width;
  float sum = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) sum = fmaf(row[i], row[i], sum);
  float scale = 1.0f / sqrtf(block_sum(sum, scratch) / width + epsilon);
  for (int i = threadIdx.x; i < width; i += blockDim.x) out[size_t(blockIdx.x) * width + i] = row[i] * scale * weight[i];
}

extern "C" __global__ void softmax(const float *x, float *out, int width) {
  extern __shared__ float row[];
  __shared__ float scratch[32];
  float most = -INFINITY;
  for (int i = threadIdx.x; i < width; i += blockDim.x) most = fmaxf(most, row[i] = x[blockIdx.x * width + i]);
  for (int offset = 16; offset; offset >>= 1) most = fmaxf(most, __shfl_xor_sync(~0u, most, offset));
  if (!(threadIdx.x & 31)) scratch[threadIdx.x >> 5] = most;
  __syncthreads();
  most = scratch[0];
  for (int warp = 1; warp < blockDim.x >> 5; ++warp) most = fmaxf(most, scratch[warp]);
  __syncthreads();
  float sum = 0;
  for (int i = threadIdx.x; i < width; i += blockDim.x) sum += row[i] = exp2f((row[i] - most) * 1.44269504f);
  sum = block_sum(sum, scratch);
  for (int i = threadIdx.x; i < width; i += blockDim.x) out[blockIdx.x * width + i] = row[i] / sum;
}

// The lowest index among equals.
extern "C" __global__ void argmax(const float *x, int *out, int width) {
  __shared__ float values[32];
  __shared__ int indices[32];
  float best = -INFINITY;
  int at = 0x7fffffff;
  for (int i = threadIdx.x; i < width; i += blockDim.x)
    if (x[blockIdx.x * width + i] > best) best = x[blockIdx.x * width + i], at = i;
  auto merge = [&](float value, int index) {
    if (value > best || (value == best && index < at)) best = value, at = index;
  };
  for (int offset = 16; offset; offset >>= 1)
    merge(__shfl_down_sync(~0u, best, offset), __shfl_down_sync(~0u, at, offset));
  if (!(threadIdx.x & 31)) values[threadIdx.x >> 5] = best, indices[threadIdx.x >> 5] = at;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int warp = 1; warp < blockDim.x >> 5; ++warp) merge(values[warp], indices[warp]);
    out[blockIdx.x] = at;
  }
}

extern "C" __global__ void prefix_sum(const int *x, int *out) {
  __shared__ int sums[32];
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, v = x[threadIdx.x];
  for (int offset = 1; offset < 32; offset *= 2) {
    int below = __shfl_up_sync(~0u, v, offset);
    if (lane >= offset) v += below;
  }
  if (lane == 31) sums[warp] = v;
  __syncthreads();
  for (int k = 0; k < warp; ++k) v += sums[k];
  out[threadIdx.x] = v;
}

extern "C" __global__ void histogram(const unsigned char *x, unsigned *out, int n) {
  __shared__ unsigned bins[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) bins[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&bins[x[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x)
    if (bins[i]) atomicAdd(&out[i], bins[i]);
}

// Partial sums; the block that comes last adds them in order: the pattern of split K.
extern "C" __global__ void last_block(const float *x, float *partial, unsigned *ticket, float *out, int each) {
  __shared__ float scratch[32];
  __shared__ bool last;
  float sum = 0;
  for (int i = threadIdx.x; i < each; i += blockDim.x) sum += x[blockIdx.x * each + i];
  sum = block_sum(sum, scratch);
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = sum;
    __threadfence();
    last = atomicInc(ticket, gridDim.x - 1) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x) return;
  __threadfence();
  float total = 0;
  for (int block = 0; block < gridDim.x; ++block) total += ((volatile float *)partial)[block];
  *out = total;
}

extern "C" __global__ void bitonic_sort(unsigned *x) {
  __shared__ unsigned keys[256];
  int i = threadIdx.x;
  keys[i] = x[i];
  for (int size = 2; size <= 256; size *= 2)
    for (int stride = size / 2; stride; stride /= 2) {
      __syncthreads();
      int other = i ^ stride;
      unsigned mine = keys[i], its = keys[other];
      bool keep_low = ((i & size) == 0) == (i < other);
      __syncthreads();
      keys[i] = keep_low ? min(mine, its) : max(mine, its);
    }
  __syncthreads();
  x[i] = keys[i];
}
