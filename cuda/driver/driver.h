// C side of package driver. Every function that returns CUresult first makes its context current on the calling thread.
#ifndef VIMPS_DRIVER_H
#define VIMPS_DRIVER_H
#include <cuda.h>
#include <stdint.h>

// resolve.c

// vimps_status starts the driver if that is still to be done. VIMPS_NO_LIBRARY: libcuda cannot be loaded, and *text, for
// the life of the program, says why; else cuInit's own result.
int vimps_status(const char **text);
enum { VIMPS_NO_LIBRARY = -1 };

// vimps_missing is the name of the function that libcuda lacked since the last question, or NULL.
const char *vimps_missing(void);

// helpers.c

typedef struct {
	unsigned int grid[3], block, shared;
	int opt_in; // the kernel has not been allowed that much dynamic shared memory yet
} vimps_shape;

CUresult vimps_launch(CUcontext c, CUstream s, CUfunction f, vimps_shape shape, void *blob, size_t bytes);
CUresult vimps_host_alloc(CUcontext c, size_t bytes, void **p);
CUresult vimps_copy_in(CUcontext c, CUstream s, void *dst, const void *src, size_t bytes);
CUresult vimps_copy_out(CUcontext c, CUstream s, void *dst, const void *src, size_t bytes);
CUresult vimps_copy(CUcontext c, CUstream s, void *dst, const void *src, size_t bytes);
CUresult vimps_record(CUcontext c, CUevent e, CUstream s);
CUresult vimps_order(CUcontext c, CUevent e, CUstream before, CUstream after);
CUresult vimps_query_event(CUcontext c, CUevent e);
CUresult vimps_query_stream(CUcontext c, CUstream s);
CUresult vimps_begin_capture(CUcontext c, CUstream s);
CUresult vimps_end_capture(CUcontext c, CUstream s, CUgraph *g);
CUresult vimps_instantiate(CUcontext c, CUgraph g, CUgraphExec *x, size_t *nodes);
CUresult vimps_graph_launch(CUcontext c, CUgraphExec x, CUstream s);
CUresult vimps_graph_free(CUcontext c, CUgraph g, CUgraphExec x);

// nccl.c

// vimps_nccl_load finds NCCL, once. 0, or VIMPS_NO_LIBRARY with *text, for the life of the program, that says why.
int vimps_nccl_load(const char **text);

// vimps_nccl_text is NCCL's own text for a result.
const char *vimps_nccl_text(int result);

// vimps_nccl_answer is what came of a call: the driver's result, NCCL's, and the name of the call of NCCL that failed.
typedef struct {
	CUresult driver;
	int result;
	const char *call;
} vimps_nccl_answer;

typedef struct ncclComm *vimps_comm;
enum { VIMPS_NCCL_ID = 128 }; // bytes of a communicator's id

vimps_nccl_answer vimps_nccl_version(int *version);
vimps_nccl_answer vimps_nccl_id(void *id);
vimps_nccl_answer vimps_nccl_join(CUcontext c, vimps_comm *comm, int size, const void *id, int rank);
// vimps_nccl_sum sums n buffers of so many floats over the ranks, in place, as one group.
vimps_nccl_answer vimps_nccl_sum(CUcontext c, vimps_comm comm, CUstream s, void *const *p, const size_t *floats, int n);
// vimps_nccl_state asks what has become of what was started before.
vimps_nccl_answer vimps_nccl_state(CUcontext c, vimps_comm comm);
vimps_nccl_answer vimps_nccl_destroy(CUcontext c, vimps_comm comm);
vimps_nccl_answer vimps_nccl_abort(CUcontext c, vimps_comm comm);

// vimps_pointer is a device address as the pointer that Go keeps.
void *vimps_pointer(uintptr_t p);

#endif
