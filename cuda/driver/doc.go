// Package driver talks to NVIDIA's driver. With the build tag cuda (linux/amd64; it needs NVIDIA's cuda.h, see the
// Makefile) it is the only package that does; without the tag it is empty.
//
// libcuda.so.1 is looked for when the first driver call is made, never linked, so that one binary starts on a machine
// without a driver, on one with a driver and no GPU, and on one with GPUs; [Status] says which. What gorgonia.org/cu
// offers is called through it, the rest (pinned memory, launches by blob, graphs) through C helpers of our own:
//
//	driver_amd64.S  one trampoline a driver call       resolve.c   finds the real one at its first use
//	helpers.c       the calls that cu lacks            compat/     lets cu v0.9.6 build on CUDA 13's header
//	nccl.c          NCCL, found in the same way
//
// A [Context] is one GPU: a compute stream on which everything happens in order, a second stream for [Context.Prefetch], and
// one for each [Comm], on which several processes sum what their GPUs computed.
// The CUDA context is made current inside each call, so that goroutines need not be tied to threads. A Context is not
// safe for use from several goroutines at once.
//
// VIMPS_LIBCUDA names another library to load in place of libcuda.so.1, such as the simulator of cuda/sim, VIMPS_LIBNCCL one
// in place of libnccl.so.2.
package driver
