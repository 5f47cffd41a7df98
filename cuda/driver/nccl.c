//go:build cuda

// NCCL, found at run time as libcuda is. The declarations are those of its stable interface, NCCL 2, that are used here.
#include "driver.h"
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	char internal[VIMPS_NCCL_ID];
} ncclUniqueId;

enum { ncclSuccess = 0, ncclInProgress = 7, ncclFloat32 = 7, ncclSum = 0 };

static struct {
	void *handle;
	char *text; // why there is none
	int (*ncclGetVersion)(int *version);
	int (*ncclGetUniqueId)(ncclUniqueId *id);
	int (*ncclCommInitRank)(vimps_comm *comm, int size, ncclUniqueId id, int rank);
	int (*ncclAllReduce)(const void *from, void *to, size_t count, int type, int op, vimps_comm comm, CUstream s);
	int (*ncclGroupStart)(void);
	int (*ncclGroupEnd)(void);
	int (*ncclCommGetAsyncError)(vimps_comm comm, int *state);
	int (*ncclCommDestroy)(vimps_comm comm);
	int (*ncclCommAbort)(vimps_comm comm);
	const char *(*ncclGetErrorString)(int result);
} nccl;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void) {
	const char *path = getenv("VIMPS_LIBNCCL");
	nccl.handle = dlopen(path && *path ? path : "libnccl.so.2", RTLD_NOW | RTLD_LOCAL);
	if (!nccl.handle) {
		nccl.text = strdup(dlerror());
		return;
	}
#define FIND(name)                                                                                                 \
	if (!(*(void **)&nccl.name = dlsym(nccl.handle, #name)) && !nccl.text) \
		nccl.text = "it has no function " #name;
	FIND(ncclGetVersion)
	FIND(ncclGetUniqueId)
	FIND(ncclCommInitRank)
	FIND(ncclAllReduce)
	FIND(ncclGroupStart)
	FIND(ncclGroupEnd)
	FIND(ncclCommGetAsyncError)
	FIND(ncclCommDestroy)
	FIND(ncclCommAbort)
	FIND(ncclGetErrorString)
}

int vimps_nccl_load(const char **text) {
	pthread_once(&once, load);
	*text = nccl.text;
	return nccl.text ? VIMPS_NO_LIBRARY : 0;
}

const char *vimps_nccl_text(int result) { return nccl.ncclGetErrorString(result); }

// ANSWER is the outcome of a call of NCCL.
#define ANSWER(name, ...) ((vimps_nccl_answer){CUDA_SUCCESS, nccl.name(__VA_ARGS__), #name})

// CURRENT makes c the thread's context, from which NCCL sees on what GPU it is.
#define CURRENT(c)                                                       \
	do {                                                             \
		CUresult r_ = cuCtxSetCurrent(c);                        \
		if (r_)                                                  \
			return (vimps_nccl_answer){r_, ncclSuccess, ""}; \
	} while (0)

vimps_nccl_answer vimps_nccl_version(int *version) { return ANSWER(ncclGetVersion, version); }

vimps_nccl_answer vimps_nccl_id(void *id) { return ANSWER(ncclGetUniqueId, id); }

vimps_nccl_answer vimps_nccl_join(CUcontext c, vimps_comm *comm, int size, const void *id, int rank) {
	ncclUniqueId by_value;
	memcpy(&by_value, id, sizeof by_value);
	CURRENT(c);
	return ANSWER(ncclCommInitRank, comm, size, by_value, rank);
}

// A group is ended even where a call in it has failed, whose answer is then the one that counts.
vimps_nccl_answer vimps_nccl_sum(CUcontext c, vimps_comm comm, CUstream s, void *const *p, const size_t *floats, int n) {
	CURRENT(c);
	vimps_nccl_answer a = ANSWER(ncclGroupStart);
	if (a.result)
		return a;
	for (int i = 0; i < n && !a.result; i++)
		a = ANSWER(ncclAllReduce, p[i], p[i], floats[i], ncclFloat32, ncclSum, comm, s);
	vimps_nccl_answer end = ANSWER(ncclGroupEnd);
	return a.result ? a : end;
}

vimps_nccl_answer vimps_nccl_state(CUcontext c, vimps_comm comm) {
	CURRENT(c);
	int state = ncclSuccess;
	vimps_nccl_answer a = ANSWER(ncclCommGetAsyncError, comm, &state);
	if (!a.result && state != ncclInProgress)
		a = (vimps_nccl_answer){CUDA_SUCCESS, state, "an all-reduce under way"};
	return a;
}

vimps_nccl_answer vimps_nccl_destroy(CUcontext c, vimps_comm comm) {
	CURRENT(c);
	return ANSWER(ncclCommDestroy, comm);
}

vimps_nccl_answer vimps_nccl_abort(CUcontext c, vimps_comm comm) {
	CURRENT(c);
	return ANSWER(ncclCommAbort, comm);
}
