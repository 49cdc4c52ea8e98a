// Control flow and integer arithmetic that compilers make awkward code of.

extern "C" __global__ void collatz(const unsigned *x, int *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned long long v = x[i];
  int steps = 0;
  while (v != 1) v = v & 1 ? 3 * v + 1 : v / 2, ++steps;
  out[i] = steps;
}

extern "C" __global__ void dispatch(const int *op, const int *x, int *out) {
  int i = threadIdx.x, v = x[i];
  switch (op[i]) {
  case 0: v = v * 3; break;
  case 1: v = v / 7; break;
  case 2: v = v % 11; break;
  case 3: v = __popc(v); break;
  case 4: v = __clz(v); break;
  case 5: v = __brev(v); break;
  case 6: v = __byte_perm(v, ~v, 0x6420); break;
  case 7: v = abs(v) >> 3; break;
  case 8: v = __funnelshift_l(v, ~v, 9); break;
  default: v = -1;
  }
  out[i] = v;
}

extern "C" __global__ void wide_index(const long long *x, long long divisor, long long *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  out[2 * i] = x[i] / divisor;
  out[2 * i + 1] = x[i] % divisor;
}

extern "C" __global__ void mean_f64(const float *x, double *out, int n) {
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += 32) sum += double(x[i]) * x[i];
  for (int offset = 16; offset; offset >>= 1) sum += __shfl_xor_sync(~0u, sum, offset);
  if (!threadIdx.x) *out = sqrt(sum / n);
}

struct Shape {
  int rows, columns;
  float scale[3];
  unsigned char mode;
};

// A parameter by value, with padding.
extern "C" __global__ void by_value(Shape shape, float *out) {
  int i = threadIdx.x;
  if (i < shape.rows * shape.columns)
    out[i] = shape.scale[i % 3] * (shape.mode ? i / shape.columns : i % shape.columns);
}

// Each lane a private array that it indexes by values: local memory.
extern "C" __global__ void insertion_sort(const int *x, int *out) {
  int local[12];
  const int *mine = x + threadIdx.x * 12;
  for (int i = 0; i < 12; ++i) {
    int v = mine[i], j = i;
#pragma unroll 1
    while (j > 0 && local[j - 1] > v) local[j] = local[j - 1], --j;
    local[j] = v;
  }
#pragma unroll 1
  for (int i = 0; i < 12; ++i) out[threadIdx.x * 12 + i] = local[i];
}
