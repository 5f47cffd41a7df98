// What may not be done while a stream is captured. As in CUDA, doing it fails and spoils the capture.
#include "driver.h"

namespace sim {
namespace {

thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

bool forbids(const Capture &capture) {
  if (capture.mode == CU_STREAM_CAPTURE_MODE_RELAXED || thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED) return false;
  if (capture.thread == std::this_thread::get_id()) return true;
  return capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
}

CUstreamCaptureStatus status_of(CUstream stream) {
  if (!stream->capture) return CU_STREAM_CAPTURE_STATUS_NONE;
  return stream->capture->spoiled ? CU_STREAM_CAPTURE_STATUS_INVALIDATED : CU_STREAM_CAPTURE_STATUS_ACTIVE;
}

}  // namespace

void unsafe() {
  bool forbidden = false;
  for (CUcontext context : driver().contexts)
    for (CUstream s : context->streams)
      if (s->capture && forbids(*s->capture)) s->capture->spoiled = forbidden = true;
  if (forbidden) refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a call that may not be made while a stream is captured");
}

void refuse_while_captured(CUstream stream) {
  if (!stream->capture) return;
  stream->capture->spoiled = true;
  refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is being captured");
}

void refuse_implicit(CUcontext context) {
  bool harmed = false;
  for (CUstream s : context->streams)
    if (s->capture && s->blocking) s->capture->spoiled = harmed = true;
  if (harmed) refuse(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, "the default stream would wait for a stream that is being captured");
}

}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
  return call(__func__, Needs::started, tie(mode), [&] { std::swap(*mode, thread_mode); });
}

CUresult cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
  return call(__func__, Needs::healthy, tie(handle, mode), [&] {
    CUstream stream = stream_of(handle);
    if (stream == stream->context->legacy) refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the default stream cannot be captured");
    if (stream->capture) refuse(CUDA_ERROR_ILLEGAL_STATE, "the stream is being captured already");
    stream->capture = std::make_shared<Capture>();
    stream->capture->mode = mode;
    stream->capture->thread = std::this_thread::get_id();
    stream->capture->id = ++driver().captures;
  });
}

CUresult cuStreamEndCapture(CUstream handle, CUgraph *graph) {
  return call(__func__, Needs::healthy, tie(handle), [&] {
    *graph = nullptr;
    CUstream stream = stream_of(handle);
    std::shared_ptr<Capture> capture = stream->capture;
    if (!capture) refuse(CUDA_ERROR_ILLEGAL_STATE, "the stream is not being captured");
    if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread != std::this_thread::get_id())
      refuse(CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "another thread began this capture");
    stream->capture = nullptr;
    if (capture->spoiled) refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture was spoiled");
    *graph = make<CUgraph_st>();
    for (Node &node : capture->nodes) {
      CUgraphNode handle = make<CUgraphNode_st>();
      handle->node = std::move(node);
      (*graph)->nodes.push_back(handle);
    }
  });
}

CUresult cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status) {
  return call(__func__, Needs::healthy, tie(handle), [&] {
    CUstream stream = stream_of(handle);
    *status = status_of(stream);
  });
}

CUresult cuStreamGetCaptureInfo_v2(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
                                   const CUgraphNode **dependencies, size_t *count) {
  return call(__func__, Needs::healthy, tie(handle), [&] {
    if (graph || dependencies || count) refuse(CUDA_ERROR_NOT_SUPPORTED, "only status and id are modelled");
    CUstream stream = stream_of(handle);
    *status = status_of(stream);
    if (id && stream->capture) *id = stream->capture->id;
  });
}

}  // extern "C"
