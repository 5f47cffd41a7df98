// Kernels of the driver's tests, libcuda_test*.cpp.
struct set_args {
  int *p;
  int index, value;
};

extern "C" __global__ void set(const __grid_constant__ set_args a, int units) {
  if (threadIdx.x == 0 && blockIdx.x == 0) a.p[a.index] = a.value + units;
}

extern "C" __global__ void add(int *dst, const int *src, short v, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) dst[i] = src[i] + v;
}

// p[i] = 63 - i, by way of the last 64 ints of n of dynamic shared memory.
extern "C" __global__ void __launch_bounds__(64) back_to_front(int *p, int n) {
  extern __shared__ int s[];
  int *last = s + n - 64;
  last[threadIdx.x] = threadIdx.x;
  __syncthreads();
  p[threadIdx.x] = last[63 - threadIdx.x];
}

extern "C" __global__ void fixed_shared(int *p) {
  __shared__ int s[8192];
  s[threadIdx.x] = threadIdx.x;
  p[threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void misaligned(char *p) { *reinterpret_cast<int *>(p + 1) = 1; }
