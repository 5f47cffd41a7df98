package onesot

import (
	"encoding/binary"
	"math"

	"vimps-gpu/cuda"
)

// history keeps what the last steps left in device tensors, on the device, so that the host, which waits for the queue
// when it reads, reads several steps at once.
type history struct {
	deal    *deal
	micros  int // a step, those of all ranks
	room    int // steps
	pending int // steps kept and not read
	// What a micro-batch and what a step leaves, and for each a buffer with a row a micro-batch or a step.
	micro, step []kept
	eta         []float64 // of each micro-batch
	mu          []float64 // of each step
	terms       []Terms
}

// kept is a tensor and its past values.
type kept struct {
	from, past *cuda.Tensor
	rows       []*cuda.Tensor // of past
	host       []float32      // past, when read
}

// stepsBehind is how many steps a GPU may be left to itself.
const stepsBehind = 16

func newHistory(dev *cuda.Device, d *deal, micro []*cuda.Tensor, step ...*cuda.Tensor) history {
	micros := d.micros
	h := history{deal: d, micros: micros, room: 1}
	if dev.GPU() {
		h.room = stepsBehind
	}
	for _, t := range micro {
		h.micro = append(h.micro, keep(dev, t, h.room*micros))
	}
	for _, t := range step {
		h.step = append(h.step, keep(dev, t, h.room))
	}
	h.eta, h.mu, h.terms = make([]float64, h.room*micros), make([]float64, h.room), make([]Terms, 0, h.room)
	return h
}

func keep(dev *cuda.Device, t *cuda.Tensor, rows int) kept {
	k := kept{from: t, past: dev.New(cuda.Float32, rows, t.Len()), host: make([]float32, rows*t.Len())}
	for i := range rows {
		k.rows = append(k.rows, k.past.View(i*t.Len(), t.Shape()...))
	}
	return k
}

func (h *history) free() {
	for _, k := range append(h.micro, h.step...) {
		k.past.Free()
	}
}

// full tells whether the next step finds no room.
func (h *history) full() bool { return h.pending == h.room }

func (h *history) keepMicro(j int, eta float64) {
	if h.full() {
		panic("onesot: a step more than the history has room for")
	}
	at := h.pending*h.micros + j
	for _, k := range h.micro {
		k.rows[at].CopyFrom(k.from)
	}
	h.eta[at] = eta
}

func (h *history) keepStep(mu float64) {
	for _, k := range h.step {
		k.rows[h.pending].CopyFrom(k.from)
	}
	h.mu[h.pending] = mu
	h.pending++
}

func (h *history) read() {
	if h.pending == 0 {
		return
	}
	for _, k := range h.micro {
		k.past.Get(k.host)
	}
	for _, k := range h.step {
		k.past.Get(k.host)
	}
	if h.deal.world.Size() > 1 {
		h.exchange()
	}
}

// exchange brings what the micro-batches of every rank left to all ranks.
func (h *history) exchange() {
	own := make([]byte, 0, 4096)
	h.eachOf(h.deal.first, func(values []float32, eta *float64) {
		own = append(own, floatBytes(values)...)
		if eta != nil {
			own = binary.LittleEndian.AppendUint64(own, math.Float64bits(*eta))
		}
	})
	for rank, b := range h.deal.world.Gather(own) {
		h.eachOf(rank*h.deal.count, func(values []float32, eta *float64) {
			readFloats(values, b)
			b = b[4*len(values):]
			if eta != nil {
				*eta = math.Float64frombits(binary.LittleEndian.Uint64(b))
				b = b[8:]
			}
		})
	}
}

// eachOf visits what the micro-batches from first on that a rank does left in the steps kept: values, and then eta.
func (h *history) eachOf(first int, visit func(values []float32, eta *float64)) {
	for step := range h.pending {
		for i := range h.deal.count {
			at := step*h.micros + first + i
			for _, k := range h.micro {
				visit(k.row(at), nil)
			}
			visit(nil, &h.eta[at])
		}
	}
}

// micro is what one micro-batch left: the loss and right answers summed over its images, and, of a supernet, cost,
// prior and entropy, and the law of the gates.
type micro struct {
	eta              float64
	loss, terms, law []float32
}

func (h *history) at(step, j int) micro {
	i := step*h.micros + j
	m := micro{eta: h.eta[i]}
	for k, to := range []*[]float32{&m.loss, &m.terms, &m.law} {
		if k < len(h.micro) {
			*to = h.micro[k].row(i)
		}
	}
	return m
}

// similarity is each layer's kernel similarity in a step.
func (h *history) similarity(step int) []float32 { return h.step[0].row(step) }

func (k kept) row(i int) []float32 {
	n := k.from.Len()
	return k.host[i*n : (i+1)*n]
}

// losses reads the steps kept by a trainer that has no gates: task loss and accuracy over micro-batches of n images.
func (h *history) losses(n int) []Terms {
	h.read()
	h.terms = h.terms[:0]
	for step := range h.pending {
		var sum Terms
		for j := range h.micros {
			loss := h.at(step, j).loss
			sum.Task += float64(loss[0]) / float64(n*h.micros)
			sum.Accuracy += float64(loss[1]) / float64(n*h.micros)
		}
		h.terms = append(h.terms, sum)
	}
	h.pending = 0
	return h.terms
}
