//go:build cuda

// The driver calls that gorgonia.org/cu lacks, or makes us pay for: each helper is one crossing from Go.
#include "driver.h"

// CURRENT makes c the thread's context and CHECK returns a call's failure.
#define CHECK(call)                   \
	do {                          \
		CUresult r_ = (call); \
		if (r_)               \
			return r_;    \
	} while (0)
#define CURRENT(c) CHECK(cuCtxSetCurrent(c))

static CUdeviceptr address(const void *p) { return (CUdeviceptr)(uintptr_t)p; }

void *vimps_pointer(uintptr_t p) { return (void *)p; }

// The blob, the argument struct and what follows it, is copied by the driver before it returns.
CUresult vimps_launch(CUcontext c, CUstream s, CUfunction f, vimps_shape shape, void *blob, size_t bytes) {
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, blob, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
	CURRENT(c);
	if (shape.opt_in)
		CHECK(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)shape.shared));
	return cuLaunchKernel(f, shape.grid[0], shape.grid[1], shape.grid[2], shape.block, 1, 1, shape.shared, s, NULL, extra);
}

CUresult vimps_host_alloc(CUcontext c, size_t bytes, void **p) {
	CURRENT(c);
	return cuMemHostAlloc(p, bytes, CU_MEMHOSTALLOC_PORTABLE);
}

CUresult vimps_copy_in(CUcontext c, CUstream s, void *dst, const void *src, size_t bytes) {
	CURRENT(c);
	return cuMemcpyHtoDAsync(address(dst), src, bytes, s);
}

CUresult vimps_copy_out(CUcontext c, CUstream s, void *dst, const void *src, size_t bytes) {
	CURRENT(c);
	return cuMemcpyDtoHAsync(dst, address(src), bytes, s);
}

CUresult vimps_copy(CUcontext c, CUstream s, void *dst, const void *src, size_t bytes) {
	CURRENT(c);
	return cuMemcpyDtoDAsync(address(dst), address(src), bytes, s);
}

CUresult vimps_record(CUcontext c, CUevent e, CUstream s) {
	CURRENT(c);
	return cuEventRecord(e, s);
}

// What is on before now comes before all that is put on after from now on; the host does not wait.
CUresult vimps_order(CUcontext c, CUevent e, CUstream before, CUstream after) {
	CURRENT(c);
	CHECK(cuEventRecord(e, before));
	return cuStreamWaitEvent(after, e, 0);
}

CUresult vimps_query_event(CUcontext c, CUevent e) {
	CURRENT(c);
	return cuEventQuery(e);
}

CUresult vimps_query_stream(CUcontext c, CUstream s) {
	CURRENT(c);
	return cuStreamQuery(s);
}

CUresult vimps_begin_capture(CUcontext c, CUstream s) {
	CURRENT(c);
	return cuStreamBeginCapture(s, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
}

CUresult vimps_end_capture(CUcontext c, CUstream s, CUgraph *g) {
	CURRENT(c);
	return cuStreamEndCapture(s, g);
}

CUresult vimps_instantiate(CUcontext c, CUgraph g, CUgraphExec *x, size_t *nodes) {
	CURRENT(c);
	CHECK(cuGraphGetNodes(g, NULL, nodes));
	return cuGraphInstantiateWithFlags(x, g, 0);
}

CUresult vimps_graph_launch(CUcontext c, CUgraphExec x, CUstream s) {
	CURRENT(c);
	return cuGraphLaunch(x, s);
}

// Frees what is given.
CUresult vimps_graph_free(CUcontext c, CUgraph g, CUgraphExec x) {
	CURRENT(c);
	CUresult first = g ? cuGraphDestroy(g) : CUDA_SUCCESS, second = x ? cuGraphExecDestroy(x) : CUDA_SUCCESS;
	return first ? first : second;
}
