package onesot

import (
	"encoding/json"
	"fmt"
	"math"

	"vimps-gpu/nn"
	"vimps-gpu/quant"
)

// Metric is what the children of a net are compared by; more is better.
type Metric string

// The metrics. That of a classifier is the empty one, which JSON leaves out.
const (
	ByAccuracy Metric = ""     // share of right answers, 0 to 1
	ByPSNR     Metric = "psnr" // of restored images, mean over the images, dB
)

// MetricOf is the metric of a net: PSNR where it yields an image.
func MetricOf(g *nn.Graph) Metric {
	if g.Restores() {
		return ByPSNR
	}
	return ByAccuracy
}

// Of is a score's value.
func (m Metric) Of(s nn.Score) float64 {
	if m == ByPSNR {
		return s.PSNR
	}
	return s.Accuracy()
}

// Name is what the metric is called in text and on axes.
func (m Metric) Name() string {
	if m == ByPSNR {
		return "PSNR"
	}
	return "accuracy"
}

// Unit is that of Shown.
func (m Metric) Unit() string {
	if m == ByPSNR {
		return "dB"
	}
	return "%"
}

// DropUnit is that of a difference of two values as Shown.
func (m Metric) DropUnit() string {
	if m == ByPSNR {
		return "dB"
	}
	return "points"
}

// Scale turns a value into what is shown: a share into percent.
func (m Metric) Scale() float64 {
	if m == ByPSNR {
		return 1
	}
	return 100
}

// Shown is a value with two decimals, without its unit.
func (m Metric) Shown(v float64) string { return fmt.Sprintf("%.2f", m.Scale()*v) }

// Drop is how far a value lies below a reference, in DropUnit.
//
// Accuracies are k/n in binary: without rounding, 92.31 % - 91.31 % would exceed 1 point. No split has the 10^9 images
// that could tell 1e-9 points apart.
func (m Metric) Drop(from, value float64) float64 {
	if m == ByPSNR {
		return math.Round((from-value)*1e9) / 1e9
	}
	return math.Round((from-value)*1e11) / 1e9
}

// holds tells whether the metric can have a value; valid says which it can.
func (m Metric) holds(v float64) bool {
	if m == ByPSNR {
		return v >= 0 && v <= nn.MaxPSNR
	}
	return isShare(v)
}

func (m Metric) valid() string {
	if m == ByPSNR {
		return fmt.Sprintf("0 to %d dB", nn.MaxPSNR)
	}
	return "0 to 1"
}

// field is the name in JSON of the value on a split, val or test.
func (m Metric) field(split string) string {
	if m == ByPSNR {
		return "psnr_" + split
	}
	return "accuracy_" + split
}

// metricIn tells by its fields which metric a JSON object of a Point or an Accuracy has.
func metricIn(data []byte) Metric {
	var fields struct {
		PSNR json.RawMessage `json:"psnr_val"`
	}
	if json.Unmarshal(data, &fields) == nil && fields.PSNR != nil {
		return ByPSNR
	}
	return ByAccuracy
}

// The types without the methods below, under the JSON names of either metric.
type (
	plainPoint Point
	psnrPoint  struct {
		Metric       Metric           `json:"-"`
		Eta          float64          `json:"eta"`
		BOPs         float64          `json:"bops"`
		RelativeBOPs float64          `json:"relative_bops"`
		SizeBytes    float64          `json:"size_bytes"`
		MemoryBytes  float64          `json:"memory_bytes,omitempty"`
		Cost         float64          `json:"cost"`
		AccuracyVal  float64          `json:"psnr_val"`
		AccuracyTest float64          `json:"psnr_test"`
		LossVal      float64          `json:"loss_val"`
		OnFront      bool             `json:"on_front"`
		Assignment   quant.Assignment `json:"assignment"`
	}
	plainAccuracy Accuracy
	psnrAccuracy  struct {
		Metric Metric  `json:"-"`
		Val    float64 `json:"psnr_val"`
		Test   float64 `json:"psnr_test"`
	}
)

// MarshalJSON names the values accuracy_val and accuracy_test, or psnr_val and psnr_test, by the metric.
func (p Point) MarshalJSON() ([]byte, error) {
	if p.Metric == ByPSNR {
		return json.Marshal(psnrPoint(p))
	}
	return json.Marshal(plainPoint(p))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (p *Point) UnmarshalJSON(data []byte) error {
	if p.Metric = metricIn(data); p.Metric == ByPSNR {
		return json.Unmarshal(data, (*psnrPoint)(p))
	}
	return json.Unmarshal(data, (*plainPoint)(p))
}

// MarshalJSON is like that of Point.
func (a Accuracy) MarshalJSON() ([]byte, error) {
	if a.Metric == ByPSNR {
		return json.Marshal(psnrAccuracy(a))
	}
	return json.Marshal(plainAccuracy(a))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (a *Accuracy) UnmarshalJSON(data []byte) error {
	if a.Metric = metricIn(data); a.Metric == ByPSNR {
		return json.Unmarshal(data, (*psnrAccuracy)(a))
	}
	return json.Unmarshal(data, (*plainAccuracy)(a))
}
