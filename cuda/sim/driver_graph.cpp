// Graphs: captured work, replayed as one item of a stream.
#include <algorithm>

#include "driver.h"

namespace sim {
namespace {

void instantiate(CUgraphExec *exec, CUgraph graph) {
  unsafe();
  known(graph, "graph");
  *exec = make<CUgraphExec_st>();
  (*exec)->nodes = std::make_shared<std::vector<Node>>();
  for (CUgraphNode n : graph->nodes) (*exec)->nodes->push_back(n->node);
}

void launch(CUgraphExec exec, CUstream stream) {
  known(exec, "graph that can be launched");
  if (stream->capture) {
    stream->capture->spoiled = true;
    refuse(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "a graph launched inside a capture is not modelled");
  }
  auto nodes = exec->nodes;
  put(stream, {CU_GRAPH_NODE_TYPE_GRAPH, "graph", [nodes] {
    for (size_t i = 0; i < nodes->size(); i++) {
      try {
        (*nodes)[i].run();
      } catch (const Fault &fault) {
        throw Fault("node " + std::to_string(i) + ", " + (*nodes)[i].label + ": " + fault.what());
      }
    }
  }}, {exec->last});  // one launch of it after the other, whatever the streams
  exec->last = {stream, stream->queued};
  driver().graph_launches++;
}

}  // namespace
}  // namespace sim

using namespace sim;
using std::tie;

extern "C" {

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  return call(__func__, Needs::started, tie(graph), [&] {
    known(graph, "graph");
    size_t all = graph->nodes.size();
    if (nodes) {
      std::fill_n(nodes, *count, nullptr);
      std::copy_n(graph->nodes.begin(), std::min(all, *count), nodes);
      all = std::min(all, *count);
    }
    *count = all;
  });
}

CUresult cuGraphNodeGetType(CUgraphNode node, CUgraphNodeType *type) {
  return call(__func__, Needs::started, tie(node), [&] { *type = known(node, "graph node")->node.type; });
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags) {
  return call(__func__, Needs::healthy, tie(graph, flags), [&] { instantiate(exec, graph); });
}

CUresult cuGraphInstantiate_v2(CUgraphExec *exec, CUgraph graph, CUgraphNode *bad, char *text, size_t size) {
  return call(__func__, Needs::healthy, tie(graph), [&] {
    if (bad) *bad = nullptr;
    if (text && size) *text = 0;
    instantiate(exec, graph);
  });
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  return call(__func__, Needs::healthy, tie(exec, stream), [&] { launch(exec, stream_of(stream)); });
}

CUresult cuGraphDestroy(CUgraph graph) {
  return call(__func__, Needs::started, tie(graph), [&] {
    known(graph, "graph")->alive = false;
    for (CUgraphNode n : graph->nodes) {
      n->alive = false;
      n->node.run = nullptr;
    }
  });
}

// Launches that are still queued keep the nodes.
CUresult cuGraphExecDestroy(CUgraphExec exec) {
  return call(__func__, Needs::healthy, tie(exec), [&] {
    known(exec, "graph that can be launched")->alive = false;
    exec->nodes = nullptr;
  });
}

}  // extern "C"
