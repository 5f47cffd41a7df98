// Kernels of the driver's tests. affine.ptx: nvcc -fmad=false -ptx -arch=compute_80 affine.cu
struct affine_args {
	float *y;
	const float *x;
	float a, b;
};

// y[i] = a x[i] + b for i < n.
extern "C" __global__ void affine(affine_args args, int n) {
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		args.y[i] = args.a * args.x[i] + args.b;
}

// y = x back to front, through dynamic shared memory: one block, n floats.
extern "C" __global__ void reverse(affine_args args, int n) {
	extern __shared__ float s[];
	for (int i = threadIdx.x; i < n; i += blockDim.x)
		s[i] = args.x[i];
	__syncthreads();
	for (int i = threadIdx.x; i < n; i += blockDim.x)
		args.y[i] = s[n - 1 - i];
}
