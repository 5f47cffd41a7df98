// Package cuda is the one place that knows where a computation runs. A [Device] owns memory and a
// queue of work, a [Tensor] lives on a device, and each op is one Go function that takes tensors,
// destination first, and puts a kernel on the device's queue.
//
// Work is recorded once with [Device.Record] and replayed with [Graph.Launch], as a CUDA graph is: a
// training step is one graph, allocates nothing when replayed, and reads every number that changes
// from step to step (learning rate, eta, temperature) from device memory.
//
// A device's place is the host or a GPU. Where an op needs another kernel, or another layout, on a GPU, the op's Go
// function knows; nothing above this package does. A GPU's failure is a panic with a [Failure], which [Guard] makes an
// error again: no result of a failed device is ever seen.
//
// On the host, consecutive ops over the same images form a region: each worker takes a fixed chunk of
// the batch and runs all ops of the region on one image after the other, so that the data passed
// from op to op stays in cache. Which worker takes a chunk does not change a bit: every sum is
// partitioned by image or by chunk, never by worker.
//
// On a GPU a recording is captured as a CUDA graph. What it computes depends on shapes alone, not on the card, but for
// the order in which tensor cores sum.
//
// Processes with a GPU each sum tensors with a [Reducer].
//
// Read in this order: device.go, tensor.go, graph.go, host.go and gpu.go, then the ops, one file a family.
package cuda
