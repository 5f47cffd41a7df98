// Cases: capture and graphs.
#include "libcuda_test.h"

namespace {

void capture_and_replay() {
  Gpu g;
  int *in = g.pinned(1), *out = g.pinned(1);
  CUdeviceptr p = g.alloc(4), q = g.alloc(4);
  g.begin();
  CUstreamCaptureStatus status;
  OK(CU(cuStreamIsCapturing)(g.stream, &status));
  IS(status == CU_STREAM_CAPTURE_STATUS_ACTIVE);
  OK(CU(cuMemcpyHtoDAsync_v2)(p, in, 4, g.stream));
  OK(g.add(q, p, 3, 1, g.stream));
  OK(CU(cuMemcpyDtoHAsync_v2)(out, q, 4, g.stream));
  OK(CU(cuMemsetD8Async)(p, 0, 4, g.stream));
  CUgraph graph = g.end();
  OK(CU(cuStreamIsCapturing)(g.stream, &status));
  IS(status == CU_STREAM_CAPTURE_STATUS_NONE && counter("launches") == 0 && counter("queued") == 0);

  size_t n = 0;
  OK(CU(cuGraphGetNodes)(graph, nullptr, &n));
  IS(n == 4);
  std::vector<CUgraphNode> nodes(n);
  OK(CU(cuGraphGetNodes)(graph, nodes.data(), &n));
  const CUgraphNodeType want[] = {CU_GRAPH_NODE_TYPE_MEMCPY, CU_GRAPH_NODE_TYPE_KERNEL, CU_GRAPH_NODE_TYPE_MEMCPY, CU_GRAPH_NODE_TYPE_MEMSET};
  for (int i = 0; i < 4; i++) {
    CUgraphNodeType type;
    OK(CU(cuGraphNodeGetType)(nodes[i], &type));
    IS(type == want[i]);
  }

  CUgraphExec x = g.instantiate(graph);
  OK(CU(cuGraphDestroy)(graph));
  for (int i = 0; i < 50; i++) {
    in[0] = i;
    OK(CU(cuGraphLaunch)(x, g.stream));
    IS(i == 0 || out[0] == i + 2);  // late, like everything
    OK(CU(cuStreamSynchronize)(g.stream));
    IS(out[0] == i + 3);
  }
  IS(counter("graph_launches") == 50 && counter("launches") == 50);
}

void parameters_are_kept() {
  Gpu g;
  CUdeviceptr p = g.alloc(8);
  g.begin();
  for (int i = 0; i < 2; i++) OK(g.set(p, i, 10 + i, g.stream));  // the same host variables twice
  CUgraphExec x = g.instantiate(g.end());
  OK(CU(cuGraphLaunch)(x, g.stream));
  IS(g.read(p, g.stream) == 10 && g.read(p + 4, g.stream) == 11);
}

void synchronous_calls_spoil() {
  Gpu g;
  CUdeviceptr p = g.alloc(4), q;
  CUmodule m;
  void *host;
  int v = 0;
  const std::vector<std::function<int()>> bad = {
      [&] { return CU(cuStreamSynchronize)(g.stream); },
      [&] { return CU(cuStreamQuery)(g.stream); },
      [&] { return CU(cuCtxSynchronize)(); },
      [&] { return CU(cuMemAlloc_v2)(&q, 4); },
      [&] { return CU(cuMemFree_v2)(p); },
      [&] { return CU(cuMemHostAlloc)(&host, 4, 0); },
      [&] { return CU(cuMemcpyHtoD_v2)(p, &v, 4); },
      [&] { return CU(cuMemcpyDtoH_v2)(&v, p, 4); },
      [&] { return CU(cuMemsetD8_v2)(p, 0, 4); },
      [&] { return CU(cuMemcpyHtoDAsync_v2)(p, &v, 4, g.stream); },  // pageable
      [&] { return CU(cuMemcpyDtoHAsync_v2)(&v, p, 4, g.stream); },
      [&] { return CU(cuModuleLoadData)(&m, ptx.c_str()); },
      [&] { return CU(cuModuleUnload)(g.module); },
  };
  for (auto &call : bad) {
    g.begin();
    WANT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, call());
    WANT(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, g.set(p, 0, 1, g.stream));
    CUstreamCaptureStatus status;
    OK(CU(cuStreamIsCapturing)(g.stream, &status));
    IS(status == CU_STREAM_CAPTURE_STATUS_INVALIDATED);
    g.spoiled();
  }
}

void default_stream_spoils() {
  Gpu g;
  g.stream = g.other(CU_STREAM_DEFAULT);
  CUdeviceptr p = g.alloc(4);
  WANT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, CU(cuStreamBeginCapture_v2)(nullptr, CU_STREAM_CAPTURE_MODE_RELAXED));
  g.begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  WANT(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, g.set(p, 0, 1, nullptr));
  g.spoiled();
}

void modes() {
  Gpu g;
  CUdeviceptr p;
  auto elsewhere = [&](CUresult want) {
    std::string failure;
    std::thread([&] {
      try {
        OK(CU(cuCtxSetCurrent)(g.context));
        WANT(want, CU(cuMemAlloc_v2)(&p, 4));
      } catch (const Failure &f) {
        failure = f.what();
      }
    }).join();
    if (!failure.empty()) throw Failure(failure);
  };
  g.begin(CU_STREAM_CAPTURE_MODE_RELAXED);
  OK(CU(cuMemAlloc_v2)(&p, 4));
  g.end();
  g.begin(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
  elsewhere(CUDA_SUCCESS);
  g.end();
  g.begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
  elsewhere(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  g.spoiled();
  g.begin(CU_STREAM_CAPTURE_MODE_GLOBAL);
  CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
  OK(CU(cuThreadExchangeStreamCaptureMode)(&mode));
  IS(mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
  OK(CU(cuMemAlloc_v2)(&p, 4));
  g.end();
}

void other_thread() {
  Gpu g;
  g.begin();
  CUresult got = CUDA_SUCCESS;
  std::thread([&] {
    CUgraph graph;
    CU(cuCtxSetCurrent)(g.context);
    got = CU(cuStreamEndCapture)(g.stream, &graph);
  }).join();
  IS(got == CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD);
  IS(g.end());
}

void fork_and_join() {
  Gpu g;
  CUstream other = g.other();
  CUevent inside = g.event(), outside = g.event();
  OK(CU(cuEventRecord)(outside, other));
  g.begin();
  OK(CU(cuEventRecord)(inside, g.stream));
  OK(CU(cuStreamWaitEvent)(g.stream, inside, 0));  // in its own stream: nothing to do
  WANT(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, CU(cuStreamWaitEvent)(other, inside, 0));
  IS(logged("fork and join by events"));
  g.spoiled();
  g.begin();
  WANT(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, CU(cuStreamWaitEvent)(g.stream, outside, 0));
  g.spoiled();
  g.begin();
  OK(CU(cuEventRecord)(inside, g.stream));
  WANT(CUDA_ERROR_CAPTURED_EVENT, CU(cuEventQuery)(inside));
  g.spoiled();
  OK(CU(cuEventRecord)(inside, g.stream));  // outside a capture it is a plain event again
  OK(CU(cuEventSynchronize)(inside));
}

void misuse() {
  Gpu g;
  CUgraph graph;
  WANT(CUDA_ERROR_ILLEGAL_STATE, CU(cuStreamEndCapture)(g.stream, &graph));
  g.begin();
  WANT(CUDA_ERROR_ILLEGAL_STATE, CU(cuStreamBeginCapture_v2)(g.stream, CU_STREAM_CAPTURE_MODE_RELAXED));
  graph = g.end();
  CUgraphExec x = g.instantiate(graph);
  OK(CU(cuGraphLaunch)(x, g.stream));  // an empty one
  OK(CU(cuGraphDestroy)(graph));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuGraphDestroy)(graph));
  OK(CU(cuGraphExecDestroy)(x));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuGraphLaunch)(x, g.stream));
}

void queued_launch_outlives() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  g.begin();
  OK(g.set(p, 0, 6, g.stream));
  CUgraphExec x = g.instantiate(g.end());
  OK(CU(cuGraphLaunch)(x, g.stream));
  OK(CU(cuGraphExecDestroy)(x));
  IS(g.read(p, g.stream) == 6);
}

// Launches of one graph follow each other though they are on different streams.
void one_at_a_time() {
  Gpu g;
  CUstream other = g.other();
  CUdeviceptr p = g.alloc(4);
  OK(g.set(p, 0, 0, g.stream));
  OK(CU(cuStreamSynchronize)(g.stream));
  g.begin();
  OK(g.add(p, p, 1, 1, g.stream));
  CUgraphExec x = g.instantiate(g.end());
  OK(CU(cuGraphLaunch)(x, g.stream));
  OK(CU(cuGraphLaunch)(x, other));
  IS(g.read(p, other) == 2);
}

void stale_graph() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  g.begin();
  OK(g.set(p, 0, 1, g.stream));
  CUgraphExec x = g.instantiate(g.end());
  OK(CU(cuMemFree_v2)(p));
  OK(CU(cuGraphLaunch)(x, g.stream));
  WANT(CUDA_ERROR_ILLEGAL_ADDRESS, CU(cuStreamSynchronize)(g.stream));
  IS(logged("node 0, launch of set: "));
}

void unloaded_module() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  g.begin();
  OK(g.set(p, 0, 1, g.stream));
  CUgraphExec x = g.instantiate(g.end());
  OK(CU(cuModuleUnload)(g.module));
  OK(CU(cuGraphLaunch)(x, g.stream));
  IS(CU(cuStreamSynchronize)(g.stream) != CUDA_SUCCESS && logged("after its module was unloaded"));
}

}  // namespace

const std::vector<Case> graph_cases = {
    {"capture and 50 replays", capture_and_replay},
    {"a graph keeps the parameters of its launches", parameters_are_kept},
    {"calls that wait or allocate spoil a capture", synchronous_calls_spoil},
    {"the default stream spoils the capture of a blocking one", default_stream_spoils},
    {"capture modes and threads", modes},
    {"a capture ends on the thread that began it", other_thread},
    {"captures of two streams are refused", fork_and_join},
    {"capture and graphs out of turn", misuse},
    {"a queued launch outlives its graph", queued_launch_outlives},
    {"launches of one graph follow each other", one_at_a_time},
    {"a graph over memory that was freed", stale_graph},
    {"a graph of a module that was unloaded", unloaded_module},
};
