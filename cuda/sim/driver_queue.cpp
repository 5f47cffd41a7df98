// Streams. Work waits in queues until the host waits for it, and then no more of it runs than must: a result that is read without
// waiting is still the old one, and work of other streams that no event asked for has not been done. VIMPS_SIM_ORDER=early is the
// other extreme: what could overtake the work that is waited for does so.
#include "driver.h"

namespace sim {
namespace {

constexpr int items_a_query = 64;

// 716 and 719 are what a GPU says of these; of the rest that it would not notice at all, 719 is the nearest.
CUresult code_of(const std::string &fault) {
  auto has = [&](const char *word) { return fault.find(word) != std::string::npos; };
  if (has("misaligned")) return CUDA_ERROR_MISALIGNED_ADDRESS;
  if (has("out of bounds") || has("not inside one allocation")) return CUDA_ERROR_ILLEGAL_ADDRESS;
  return CUDA_ERROR_LAUNCH_FAILED;
}

void run_front(CUstream stream) {
  Work work = std::move(stream->queue.front());
  stream->queue.pop_front();
  stream->done++;
  CUcontext context = stream->context;
  if (!context->sticky && work.run) {
    try {
      work.run();
    } catch (const Fault &fault) {
      context->sticky = code_of(fault.what());
      log(work.label + ": " + fault.what());
    }
  }
}

// advance runs items until the goal is reached, at most so many.
void advance(Goal goal, int items) {
  std::vector<Goal> goals{goal};
  while (!goals.empty() && items) {
    Goal next = goals.back();
    if (next.reached()) {
      goals.pop_back();
      continue;
    }
    const Goal *before = nullptr;
    for (const Goal &g : next.stream->queue.front().after)
      if (!g.reached()) before = &g;
    if (before) {
      goals.push_back(*before);
    } else {
      run_front(next.stream);
      if (items > 0) items--;
    }
  }
}

bool early() {
  std::string order = env("VIMPS_SIM_ORDER");
  if (order != "" && order != "late" && order != "early") refuse(CUDA_ERROR_UNKNOWN, "VIMPS_SIM_ORDER=%s: want late or early", order.c_str());
  return order == "early";
}

void run_others(CUstream stream) {
  for (CUstream other : stream->context->streams)
    if (other != stream && !other->capture) run_to({other, other->queued});
}

}  // namespace

bool Goal::reached() const { return !stream || stream->done >= position; }

void run_to(Goal goal) { advance(goal, -1); }

void run_some(Goal goal) {
  if (early()) run_others(goal.stream);
  advance(goal, items_a_query);
}

void healthy(CUcontext context) {
  if (context->sticky) throw Refused{context->sticky, ""};
}

CUstream stream_of(CUstream handle) {
  CUcontext context = current_context();
  if (!handle || handle == CU_STREAM_LEGACY) return context->legacy;
  if (handle == CU_STREAM_PER_THREAD) refuse(CUDA_ERROR_NOT_SUPPORTED, "per-thread default streams are not modelled");
  CUstream stream = known(handle, "stream");
  if (stream->context != context) refuse(CUDA_ERROR_INVALID_HANDLE, "the stream belongs to another context");
  return stream;
}

void put(CUstream stream, Node node, std::vector<Goal> after) {
  CUcontext context = stream->context;
  if (stream->capture) {
    if (stream->capture->spoiled) refuse(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture on this stream was spoiled before");
    stream->capture->nodes.push_back(std::move(node));
    return;
  }
  if (stream == context->legacy) {
    refuse_implicit(context);
    for (CUstream other : context->streams)
      if (other->blocking) after.push_back({other, other->queued});
  } else if (stream->blocking) {
    after.push_back({context->legacy, context->legacy->queued});
  }
  stream->queue.push_back({std::move(node.label), std::move(after), std::move(node.run)});
  stream->queued++;
}

void synchronise(CUstream stream) {
  if (early()) run_others(stream);
  if (stream == stream->context->legacy)  // as if by an item of its own
    for (CUstream other : stream->context->streams)
      if (other->blocking) run_to({other, other->queued});
  run_to({stream, stream->queued});
  healthy(stream->context);
}

void drain(CUcontext context) {
  for (CUstream stream : context->streams) run_to({stream, stream->queued});
}

}  // namespace sim
