// Streams and events.
#include <algorithm>

#include "driver.h"

namespace sim {
namespace {

void make_stream(CUstream *handle, unsigned flags, int priority) {
  if (flags > CU_STREAM_NON_BLOCKING) refuse(CUDA_ERROR_INVALID_VALUE, "flags %u", flags);
  CUstream s = make<CUstream_st>();
  s->context = current_context();
  s->flags = flags;
  s->blocking = flags == CU_STREAM_DEFAULT;
  s->priority = priority;
  s->context->streams.push_back(s);
  *handle = s;
}

// recorded_outside is the event where its last record was not captured; a captured one is spoiled by being looked at.
CUevent recorded_outside(CUevent event) {
  known(event, "event");
  if (!event->capture) return event;
  event->capture->spoiled = true;
  refuse(CUDA_ERROR_CAPTURED_EVENT, "the event was last recorded in a stream that was being captured");
}

void record(CUevent event, CUstream stream) {
  known(event, "event");
  if (event->context != stream->context) refuse(CUDA_ERROR_INVALID_HANDLE, "the event belongs to another context");
  event->recorded = true;
  if (stream->capture) {
    if (stream->capture->spoiled) refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture on this stream was spoiled before");
    event->capture = stream->capture;
    return;
  }
  uint64_t position = stream->queued + 1;
  put(stream, {CU_GRAPH_NODE_TYPE_EVENT_RECORD, "event", [event, stream, position] {
    if (event->at.stream == stream && event->at.position == position) event->time = std::chrono::steady_clock::now();
  }});
  event->capture = nullptr;
  event->at = {stream, position};
}

void wait(CUstream stream, CUevent event) {
  known(event, "event");
  if (!event->recorded) return;
  if (event->capture && event->capture == stream->capture) return;  // its own order
  if (event->capture) {
    event->capture->spoiled = true;
    if (stream->capture) stream->capture->spoiled = true;
    refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "captures of more than one stream (fork and join by events) are not modelled");
  }
  if (stream->capture) {
    stream->capture->spoiled = true;
    refuse(CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "the event was recorded outside this capture");
  }
  put(stream, {CU_GRAPH_NODE_TYPE_WAIT_EVENT, "wait", nullptr}, {event->at});
}

}  // namespace
}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuStreamCreate(CUstream *stream, unsigned flags) {
  return call(__func__, Needs::healthy, tie(flags), [&] { make_stream(stream, flags, 0); });
}

CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority) {
  return call(__func__, Needs::healthy, tie(flags, priority), [&] { make_stream(stream, flags, priority); });
}

// What is on the stream is still done.
CUresult cuStreamDestroy_v2(CUstream stream) {
  return call(__func__, Needs::healthy, tie(stream), [&] {
    known(stream, "stream");
    CUcontext context = stream->context;
    if (stream == context->legacy) refuse(CUDA_ERROR_INVALID_HANDLE, "the default stream cannot be destroyed");
    if (stream->capture) stream->capture->spoiled = true;
    stream->capture = nullptr;
    run_to({stream, stream->queued});
    stream->alive = false;
    context->streams.erase(std::find(context->streams.begin(), context->streams.end(), stream));
  });
}

CUresult cuStreamSynchronize(CUstream handle) {
  return call(__func__, Needs::healthy, tie(handle), [&] {
    CUstream stream = stream_of(handle);
    refuse_while_captured(stream);
    if (stream == stream->context->legacy) refuse_implicit(stream->context);
    synchronise(stream);
  });
}

// A query runs a part of what is queued, as time passes on a GPU.
CUresult cuStreamQuery(CUstream handle) {
  return call(__func__, Needs::healthy, tie(handle), [&] {
    CUstream stream = stream_of(handle);
    refuse_while_captured(stream);
    if (stream == stream->context->legacy) refuse_implicit(stream->context);
    if (stream->queue.empty()) return;
    run_some({stream, stream->queued});
    healthy(stream->context);
    throw Refused{CUDA_ERROR_NOT_READY, ""};
  });
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  return call(__func__, Needs::healthy, tie(stream, event, flags), [&] { wait(stream_of(stream), event); });
}

CUresult cuEventCreate(CUevent *event, unsigned flags) {
  return call(__func__, Needs::healthy, tie(flags), [&] {
    *event = make<CUevent_st>();
    (*event)->context = current_context();
    (*event)->flags = flags;
  });
}

CUresult cuEventDestroy_v2(CUevent event) {
  return call(__func__, Needs::healthy, tie(event), [&] { known(event, "event")->alive = false; });
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  return call(__func__, Needs::healthy, tie(event, stream), [&] { record(event, stream_of(stream)); });
}

CUresult cuEventQuery(CUevent event) {
  return call(__func__, Needs::healthy, tie(event), [&] {
    recorded_outside(event);
    if (!event->recorded || event->at.reached()) return;
    run_some(event->at);
    healthy(event->context);
    throw Refused{CUDA_ERROR_NOT_READY, ""};
  });
}

CUresult cuEventSynchronize(CUevent event) {
  return call(__func__, Needs::healthy, tie(event), [&] {
    recorded_outside(event);
    if (event->recorded) run_to(event->at);
    healthy(event->context);
  });
}

static CUresult elapsed(const char *name, float *milliseconds, CUevent from, CUevent to) {
  return call(name, Needs::healthy, tie(from, to), [&] {
    for (CUevent e : {from, to}) {
      recorded_outside(e);
      if (!e->recorded) refuse(CUDA_ERROR_INVALID_HANDLE, "an event was never recorded");
      if (e->flags & CU_EVENT_DISABLE_TIMING) refuse(CUDA_ERROR_INVALID_HANDLE, "an event was made without timing");
      if (!e->at.reached()) throw Refused{CUDA_ERROR_NOT_READY, ""};
    }
    *milliseconds = std::chrono::duration<float, std::milli>(to->time - from->time).count();
  });
}
CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) { return elapsed(__func__, milliseconds, from, to); }
CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent from, CUevent to) { return elapsed(__func__, milliseconds, from, to); }

}  // extern "C"
