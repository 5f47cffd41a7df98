package onesot

import (
	"cmp"
	"slices"

	"vimps-gpu/quant"
)

// Point is one child of the supernet as it was evaluated.
type Point struct {
	Metric       Metric           `json:"-"`   // of AccuracyVal and AccuracyTest; JSON has it in their names
	Eta          float64          `json:"eta"` // hardware penalty at which the argmax was taken
	BOPs         float64          `json:"bops"`
	RelativeBOPs float64          `json:"relative_bops"` // bops / bops of the all-maximum child
	SizeBytes    float64          `json:"size_bytes"`
	MemoryBytes  float64          `json:"memory_bytes,omitempty"` // peak of activations, see quant.Memory; 0: not recorded
	Cost         float64          `json:"cost"`                   // by the front's cost table, in its unit
	AccuracyVal  float64          `json:"accuracy_val"`           // by the metric, on images held out from training
	AccuracyTest float64          `json:"accuracy_test"`          // likewise; reported, never used to select
	LossVal      float64          `json:"loss_val"`               // mean cross-entropy, nats; of a restoring net mean difference of pixels of 0 to 1
	OnFront      bool             `json:"on_front"`
	Assignment   quant.Assignment `json:"assignment"`
}

// Accuracy is the point's own.
func (p Point) Accuracy() Accuracy { return Accuracy{p.Metric, p.AccuracyVal, p.AccuracyTest} }

// CostInfo names the cost that the front trades against accuracy.
type CostInfo struct {
	Name       string  `json:"name"`
	Unit       string  `json:"unit"`
	Definition string  `json:"definition"`
	Max        float64 `json:"max"` // of the all-maximum child
}

// Accuracy is that of a net on both splits, by a metric.
type Accuracy struct {
	Metric Metric  `json:"-"` // JSON has it in the names
	Val    float64 `json:"accuracy_val"`
	Test   float64 `json:"accuracy_test"`
}

// Front is the distinct children that a sweep found, with what they cost and
// how accurate they are. Points holds the dominated ones too; OnFront tells.
type Front struct {
	Method  string    `json:"method"`
	Model   string    `json:"model"`
	Data    string    `json:"data"`
	Metric  Metric    `json:"metric,omitempty"`
	Cost    CostInfo  `json:"cost"`
	FP32    *Accuracy `json:"fp32,omitempty"`    // the net before quantization, if it was trained
	Bicubic *Accuracy `json:"bicubic,omitempty"` // upscaling without a net, of a super-resolution net
	Points  []Point   `json:"points"`
}

// MarkFront sets OnFront of every point that no other point beats: one beats
// another if it costs no more and is at least as accurate on the validation
// split, one of the two strictly. Of points equal in both the first stays.
func MarkFront(points []Point) {
	order := make([]int, len(points))
	for i := range order {
		order[i] = i
		points[i].OnFront = false
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(
			cmp.Compare(points[a].Cost, points[b].Cost),
			cmp.Compare(points[b].AccuracyVal, points[a].AccuracyVal),
		)
	})
	best := -1.0
	for _, i := range order {
		if points[i].AccuracyVal > best {
			points[i].OnFront = true
			best = points[i].AccuracyVal
		}
	}
}

// CostAccuracy is a place in the plane that a front lives in; Accuracy is by the front's metric.
type CostAccuracy struct{ Cost, Accuracy float64 }

// OnVal places every point by relative cost and value on the validation split.
func (f *Front) OnVal() []CostAccuracy {
	return f.place(func(p Point) float64 { return p.AccuracyVal })
}

// OnTest places every point by relative cost and value on the test split.
func (f *Front) OnTest() []CostAccuracy {
	return f.place(func(p Point) float64 { return p.AccuracyTest })
}

func (f *Front) place(accuracy func(Point) float64) []CostAccuracy {
	places := make([]CostAccuracy, len(f.Points))
	for i, p := range f.Points {
		places[i] = CostAccuracy{p.Cost / f.Cost.Max, accuracy(p)}
	}
	return places
}
