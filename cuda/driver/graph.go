//go:build cuda

package driver

// #include "driver.h"
import "C"

import (
	"cmp"
	"errors"
	"runtime"
)

// GraphExec is a sequence of launches and copies that the driver starts as one.
type GraphExec struct {
	c     *Context
	x     C.CUgraphExec
	nodes int
}

// Capture runs f and makes a graph of what it puts on the compute stream, none of which is done yet. Within f nothing
// may wait, allocate or copy from or to the host; such a call fails, and Capture with it.
func (c *Context) Capture(f func() error) (g *GraphExec, err error) {
	if c.capture {
		return nil, errors.New("capture of a graph inside another")
	}
	err = c.do("cuStreamBeginCapture", func() C.CUresult {
		runtime.LockOSThread() // the thread that begins a capture has to end it
		r := C.vimps_begin_capture(c.ctx, c.compute.s)
		if r != C.CUDA_SUCCESS {
			runtime.UnlockOSThread()
		}
		return r
	})
	if err != nil {
		return nil, err
	}
	c.capture = true
	returned := false
	defer func() {
		if !returned { // f panics: leave the stream usable
			c.endCapture()
		}
	}()
	err = f()
	returned = true
	graph, endErr := c.endCapture()
	if err = cmp.Or(err, endErr); err == nil {
		g, err = c.instantiate(graph)
	}
	if graph != nil {
		err = cmp.Or(err, c.do("cuGraphDestroy", func() C.CUresult { return C.vimps_graph_free(c.ctx, graph, nil) }))
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (c *Context) endCapture() (graph C.CUgraph, err error) {
	c.capture = false
	err = c.do("cuStreamEndCapture", func() C.CUresult {
		defer runtime.UnlockOSThread()
		return C.vimps_end_capture(c.ctx, c.compute.s, &graph)
	})
	return graph, err
}

func (c *Context) instantiate(graph C.CUgraph) (*GraphExec, error) {
	g := &GraphExec{c: c}
	var nodes C.size_t
	if err := c.do("cuGraphInstantiate", func() C.CUresult { return C.vimps_instantiate(c.ctx, graph, &g.x, &nodes) }); err != nil {
		return nil, err
	}
	g.nodes = int(nodes)
	return g, nil
}

// Nodes is the number of kernels, copies and memsets of the graph.
func (g *GraphExec) Nodes() int { return g.nodes }

// Launch puts the graph on the compute stream.
func (g *GraphExec) Launch() error {
	if err := g.c.do("cuGraphLaunch", func() C.CUresult { return C.vimps_graph_launch(g.c.ctx, g.x, g.c.compute.s) }); err != nil {
		return err
	}
	g.c.marks.launches += g.nodes
	return g.c.launched()
}

// Free gives the graph back.
func (g *GraphExec) Free() error {
	if g.c.dead != nil || g.x == nil {
		return g.c.dead
	}
	err := g.c.do("cuGraphExecDestroy", func() C.CUresult { return C.vimps_graph_free(g.c.ctx, nil, g.x) })
	g.x = nil
	return err
}
