// Cases: streams, events, orders.
#include "libcuda_test.h"

namespace {

void late() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  OK(g.set(p, 0, 1, g.stream));
  IS(counter("launches") == 0 && counter("queued") == 1);
  WANT(CUDA_ERROR_NOT_READY, CU(cuStreamQuery)(g.stream));  // not ready the first time, but something was done
  OK(CU(cuStreamQuery)(g.stream));
  IS(counter("launches") == 1 && g.read(p, g.stream) == 1);
}

void queries_get_on() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  for (int i = 0; i < 1000; i++) OK(g.set(p, 0, i, g.stream));
  CUevent e = g.event();
  OK(CU(cuEventRecord)(e, g.stream));
  int tries = 0;
  while (CU(cuEventQuery)(e) == CUDA_ERROR_NOT_READY) tries++;
  IS(tries > 1 && tries < 100 && counter("launches") == 1000);
  OK(CU(cuStreamQuery)(g.stream));
}

void only_what_is_waited_for() {
  Gpu g;
  CUstream other = g.other();
  CUdeviceptr p = g.alloc(4), q = g.alloc(4);
  OK(g.set(p, 0, 1, g.stream));
  OK(g.set(q, 0, 1, other));
  OK(CU(cuStreamSynchronize)(other));
  IS(counter("launches") == 1 && counter("queued") == 1);
  OK(CU(cuCtxSynchronize)());
  IS(counter("queued") == 0);
}

// A consumer that does not wait for its producer reads what was there before; one that waits reads the new value.
void events_order() {
  for (bool wait : {false, true}) {
    Gpu g;
    CUstream other = g.other();
    CUdeviceptr p = g.alloc(4), q = g.alloc(4);
    OK(g.set(p, 0, 1, g.stream));
    OK(CU(cuStreamSynchronize)(g.stream));
    OK(g.set(p, 0, 2, other));
    CUevent e = g.event();
    OK(CU(cuEventRecord)(e, other));
    OK(g.set(p, 0, 3, other));  // after the event: not waited for
    if (wait) OK(CU(cuStreamWaitEvent)(g.stream, e, 0));
    OK(g.add(q, p, 0, 1, g.stream));
    IS(g.read(q, g.stream) == (wait ? 2 : 1));
    IS(counter("queued") == (wait ? 1 : 3));
    OK(CU(cuCtxSynchronize)());
  }
}

// VIMPS_SIM_ORDER=early: what nothing keeps back overtakes.
void early_order() {
  for (bool wait : {false, true}) {
    setenv("VIMPS_SIM_ORDER", "early", 1);
    Gpu g;
    CUstream other = g.other();
    CUdeviceptr p = g.alloc(4), q = g.alloc(4);
    OK(g.set(p, 0, 1, g.stream));
    OK(CU(cuStreamSynchronize)(g.stream));
    OK(g.add(q, p, 0, 1, g.stream));
    CUevent e = g.event();
    OK(CU(cuEventRecord)(e, g.stream));
    if (wait) OK(CU(cuStreamWaitEvent)(other, e, 0));
    OK(g.set(p, 0, 2, other));  // must not overtake the reader
    IS(g.read(q, g.stream) == (wait ? 1 : 2));
  }
}

void event_reuse() {
  Gpu g;
  CUstream other = g.other();
  CUdeviceptr p = g.alloc(4), q = g.alloc(4);
  CUevent e = g.event();
  OK(g.set(p, 0, 1, other));
  OK(CU(cuEventRecord)(e, other));
  OK(CU(cuStreamWaitEvent)(g.stream, e, 0));  // means the record before, not the next
  OK(g.set(p, 0, 2, other));
  OK(CU(cuEventRecord)(e, other));
  OK(g.add(q, p, 0, 1, g.stream));
  IS(g.read(q, g.stream) == 1);
  OK(CU(cuEventSynchronize)(e));
  IS(g.read(p, other) == 2);
}

void fresh_event() {
  Gpu g;
  CUevent e = g.event();
  OK(CU(cuEventQuery)(e));
  OK(CU(cuEventSynchronize)(e));
  OK(CU(cuStreamWaitEvent)(g.stream, e, 0));
}

void long_chain() {  // of waits from stream to stream: no recursion
  Gpu g;
  CUstream other = g.other(), turn[] = {g.stream, other};
  CUevent e = g.event();
  for (int i = 0; i < 20000; i++) {
    OK(CU(cuEventRecord)(e, turn[i % 2]));
    OK(CU(cuStreamWaitEvent)(turn[(i + 1) % 2], e, 0));
  }
  OK(CU(cuStreamSynchronize)(g.stream));
}

void elapsed() {
  Gpu g;
  CUevent a = g.event(0), b = g.event(0), c = g.event();
  float ms = -1;
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuEventElapsedTime_v2)(&ms, a, b));
  OK(CU(cuEventRecord)(a, g.stream));
  OK(g.set(g.alloc(4), 0, 1, g.stream));
  OK(CU(cuEventRecord)(b, g.stream));
  OK(CU(cuEventRecord)(c, g.stream));
  WANT(CUDA_ERROR_NOT_READY, CU(cuEventElapsedTime_v2)(&ms, a, b));
  OK(CU(cuStreamSynchronize)(g.stream));
  OK(CU(cuEventElapsedTime_v2)(&ms, a, b));
  IS(ms > 0);
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuEventElapsedTime)(&ms, a, c));
  OK(CU(cuEventRecord)(a, g.other()));  // not reached before b, but recorded again
  OK(CU(cuEventRecord)(a, g.stream));
  OK(CU(cuEventRecord)(b, g.stream));
  OK(CU(cuStreamSynchronize)(g.stream));
  OK(CU(cuCtxSynchronize)());
  OK(CU(cuEventElapsedTime)(&ms, a, b));
  IS(ms >= 0);
}

// The default stream waits for blocking streams and they for it; a non-blocking stream is ordered with neither.
void default_stream() {
  for (bool blocking : {true, false}) {
    Gpu g;
    CUstream s = g.other(blocking ? CU_STREAM_DEFAULT : CU_STREAM_NON_BLOCKING);
    CUdeviceptr p = g.alloc(4), q = g.alloc(4), r = g.alloc(4);
    for (CUdeviceptr x : {p, q, r}) OK(g.set(x, 0, 0, g.stream));
    OK(CU(cuStreamSynchronize)(g.stream));
    OK(g.set(p, 0, 1, s));
    OK(g.add(q, p, 1, 1, nullptr));
    OK(g.add(r, q, 1, 1, s));
    if (!blocking) IS(g.read(q, nullptr) == 1);  // without s
    OK(CU(cuStreamSynchronize)(s));
    IS(counter("queued") == 0);
    IS(g.read(r, nullptr) == (blocking ? 3 : 2));
    OK(CU(cuCtxSynchronize)());
  }
}

void default_stream_event() {
  Gpu g;
  CUstream s = g.other(CU_STREAM_DEFAULT);
  CUdeviceptr p = g.alloc(4);
  CUevent e = g.event();
  OK(g.set(p, 0, 1, s));
  OK(CU(cuEventRecord)(e, nullptr));
  OK(CU(cuEventSynchronize)(e));
  IS(counter("queued") == 0);
}

// A fill on the default stream is not waited for, and a non-blocking stream does not wait for it.
void fill_is_asynchronous() {
  Gpu g;
  CUdeviceptr p = g.alloc(4);
  OK(g.set(p, 0, 5, g.stream));
  OK(CU(cuStreamSynchronize)(g.stream));
  OK(CU(cuMemsetD8_v2)(p, 0, 4));
  int *v = g.pinned(1);
  OK(CU(cuMemcpyDtoHAsync_v2)(v, p, 4, g.stream));
  OK(CU(cuStreamSynchronize)(g.stream));
  IS(v[0] == 5 && g.read(p, nullptr) == 0);
}

void destroyed_objects() {
  Gpu g;
  CUstream s = g.other();
  CUevent e = g.event();
  OK(g.set(g.alloc(4), 0, 1, s));
  OK(CU(cuStreamDestroy_v2)(s));
  IS(counter("launches") == 1);  // its work is done
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuStreamSynchronize)(s));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuStreamDestroy_v2)(s));
  IS(logged("use of a destroyed stream"));
  OK(CU(cuEventDestroy_v2)(e));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuEventRecord)(e, g.stream));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuEventDestroy_v2)(e));
  IS(logged("use of a destroyed event"));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuEventQuery)(reinterpret_cast<CUevent>(g.stream)));  // a stream is no event
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuStreamQuery)(reinterpret_cast<CUstream>(&g)));
  OK(CU(cuDevicePrimaryCtxReset_v2)(0));
  Gpu again;
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuStreamSynchronize)(g.stream));
  WANT(CUDA_ERROR_INVALID_HANDLE, CU(cuModuleUnload)(g.module));
}

}  // namespace

const std::vector<Case> stream_cases = {
    {"work is late, a query gets it on", late},
    {"queries alone bring long queues to their end", queries_get_on},
    {"a wait runs its stream and no other", only_what_is_waited_for},
    {"events order streams, and nothing else does", events_order},
    {"VIMPS_SIM_ORDER=early lets unordered work overtake", early_order},
    {"an event that is recorded again", event_reuse},
    {"an event that was never recorded has passed", fresh_event},
    {"20000 waits from stream to stream", long_chain},
    {"elapsed time", elapsed},
    {"the default stream and blocking streams wait for each other", default_stream},
    {"an event on the default stream waits for blocking streams", default_stream_event},
    {"fills on the default stream are asynchronous", fill_is_asynchronous},
    {"destroyed and wrong handles", destroyed_objects},
};
