package bench

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Verdict is a claim beside its bar. Met is nil where it was not measured; Why then says the reason.
type Verdict struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Bar   float64 `json:"bar"`
	Met   *bool   `json:"met"`
	Why   string  `json:"why,omitempty"`
}

func (v Verdict) String() string {
	switch {
	case v.Met == nil:
		return fmt.Sprintf("%-58s NOT MEASURED: %s", v.Name, v.Why)
	case *v.Met:
		return strings.TrimSuffix(fmt.Sprintf("%-58s met     %.4g (bar %.4g) %s", v.Name, v.Value, v.Bar, v.Why), " ")
	}
	return strings.TrimSuffix(fmt.Sprintf("%-58s NOT MET %.4g (bar %.4g) %s", v.Name, v.Value, v.Bar, v.Why), " ")
}

// Names of the verdicts on which ParityError rests.
const (
	parityTests = "parity with the host"
	equalBits   = "equal bits twice"
	followsHost = "first loss of a training against the host's"
)

// Bars of the issue. A convolution's depends on the card: mma.sync alone cannot reach cuDNN's wgmma on sm_90.
const (
	barFused = 0.92
	barStep  = 3
)

func barConv(capability [2]int) float64 {
	switch capability {
	case [2]int{8, 0}, [2]int{8, 6}, [2]int{8, 9}:
		return 1
	case [2]int{9, 0}:
		return 0.65
	}
	return 0
}

func (r *GPUResult) say(name string, value, bar float64, met bool, why string) {
	r.Verdicts = append(r.Verdicts, Verdict{name, value, bar, &met, why})
}

func (r *GPUResult) silent(name string, bar float64, why string) {
	r.Verdicts = append(r.Verdicts, Verdict{Name: name, Bar: bar, Why: why})
}

// atLeast judges a speed: on a simulated GPU not at all.
func (r *GPUResult) atLeast(name string, value, bar float64, known bool, why string) {
	switch {
	case r.Simulated:
		r.silent(name, bar, "simulated, no speed can be told")
	case r.Quick:
		r.silent(name, bar, "--quick: shapes are too small for a speed")
	case !known:
		r.silent(name, bar, why)
	case bar == 0:
		r.silent(name, bar, fmt.Sprintf("%.3g, but no bar was set for this card", value))
	default:
		r.say(name, value, bar, value >= bar, why)
	}
}

// judge writes the verdicts.
func (r *GPUResult) judge() {
	for _, t := range [][2]string{{"cuda", "every op"}, {"nn", "a child's integer logits"}, {"onesot", "training steps"}} {
		r.judgePart("parity "+t[0], fmt.Sprintf("%s: %s (tests of ./%s)", parityTests, t[1], t[0]))
	}
	r.judgeRepeats()
	for _, tool := range []string{"memcheck", "racecheck"} {
		if name := "compute-sanitizer " + tool; r.Simulated {
			r.silent(name, 0, "simulated, it needs a GPU")
		} else {
			r.judgePart(tool, name)
		}
	}
	r.judgeSearches()
	r.judgeFused()
	r.judgeConv()
	r.judgeSteps()
	r.judgeRanks()
}

func (r *GPUResult) judgePart(part, name string) {
	at := slices.IndexFunc(r.Parts, func(p Part) bool { return p.Name == part })
	if at < 0 {
		r.silent(name, 0, "the script did not get there")
		return
	}
	if p := r.Parts[at]; p.Status == "left out" {
		r.silent(name, 0, p.Why)
	} else {
		r.say(name, float64(p.Exit), 0, p.Exit == 0, strings.TrimSuffix(p.Status+": "+p.Why, ": "))
	}
}

// notReached is why a claim on what bench gpu measures could not be judged.
func (r *GPUResult) notReached() string {
	if r.Measured == nil {
		return "bench gpu left no result"
	}
	return "bench gpu did not get there or failed, see what was not measured"
}

func (r *GPUResult) judgeRepeats() {
	for _, precision := range gpuPrecisions() {
		at := -1
		if r.Measured != nil {
			at = slices.IndexFunc(r.Measured.Repeats, func(t Repeat) bool { return t.Precision == precision })
		}
		if at < 0 {
			r.silent(equalBits+", "+precision, 1, r.notReached())
			r.silent(followsHost+", "+precision, firstLossAllowed(precision), r.notReached())
			continue
		}
		t, value := r.Measured.Repeats[at], 0.0
		if t.Equal {
			value = 1
		}
		r.say(equalBits+", "+t.Precision, value, 1, t.Equal, fmt.Sprintf("%d steps of %s", t.Steps, t.Model))
		r.say(followsHost+", "+t.Precision, t.First, t.Allowed, t.First <= t.Allowed, "relative difference, at most")
	}
}

// judgeSearches compares the search on digits with the host's.
func (r *GPUResult) judgeSearches() {
	const name, bar = "search on digits: best test accuracy, GPU - host", -0.03
	var gpu, host *SearchResult
	for i, s := range r.Searches {
		switch {
		case s.Name == "digits-gpu" && s.Finished:
			gpu = &r.Searches[i]
		case s.Name == "digits-host" && s.Finished:
			host = &r.Searches[i]
		}
	}
	if gpu == nil || host == nil {
		r.silent(name, bar, "not both searches finished")
		return
	}
	r.say(name, gpu.Best-host.Best, bar, gpu.Best-host.Best >= bar, "")
}

func (r *GPUResult) judgeFused() {
	const name = "fused mixes: the slowest one's share of the copy bandwidth"
	if r.Measured == nil {
		r.atLeast(name, 0, barFused, false, r.notReached())
		return
	}
	worst, which, count := math.Inf(1), "", map[string]int{}
	for _, f := range r.Measured.Fused {
		if f.Floor <= 0 {
			continue // no copy was measured to compare with
		}
		count[f.Precision]++
		if f.OfCopy < worst {
			worst, which = f.OfCopy, fmt.Sprintf("%s %s %s", f.Op, f.Shape, f.Precision)
		}
	}
	want := fusedKernels * len(fusedShapes(r.Measured.Quick))
	for _, precision := range gpuPrecisions() {
		if count[precision] != want {
			r.atLeast(name, 0, barFused, false, fmt.Sprintf("%d of %d kernels in %s were measured beside a copy", count[precision], want, precision))
			return
		}
	}
	r.atLeast(name, worst, barFused, true, which)
}

// ConvRatio is a geometric mean of cuDNN's time over ours, over layers as often as they appear.
type ConvRatio struct {
	Net       string  `json:"net"`
	Pass      string  `json:"pass"`
	Precision string  `json:"precision"`
	Layers    int     `json:"layers"`
	Ratio     float64 `json:"cudnn_over_ours"`
}

// convRatios gives the means of each net and pass, and of all in bf16 and in tf32.
func (r *GPUResult) convRatios() []ConvRatio {
	if r.Measured == nil || r.Torch == nil {
		return []ConvRatio{}
	}
	theirs := map[TorchConv]float64{}
	for _, t := range r.Torch.Conv {
		key := t
		key.Seconds = 0
		theirs[key] = t.Seconds
	}
	type sum struct {
		log float64
		n   int
	}
	sums, order := map[ConvRatio]*sum{}, []ConvRatio{}
	for _, c := range r.Measured.Conv {
		t := theirs[TorchConv{ConvLayer: c.ConvLayer, Pass: c.Pass, Precision: c.Precision}]
		if t <= 0 || c.Seconds <= 0 {
			continue
		}
		for _, key := range []ConvRatio{{Net: "all", Pass: "all", Precision: c.Precision}, {Net: c.Net, Pass: c.Pass, Precision: c.Precision}} {
			if sums[key] == nil {
				sums[key] = &sum{}
				order = append(order, key)
			}
			sums[key].log += float64(c.Times) * math.Log(t/c.Seconds)
			sums[key].n += c.Times
		}
	}
	for i, key := range order {
		order[i].Layers, order[i].Ratio = sums[key].n, math.Exp(sums[key].log/float64(sums[key].n))
	}
	return order
}

func (r *GPUResult) judgeConv() {
	const name = "convolutions against cuDNN, bf16: geometric mean"
	bar := 0.0
	if r.Measured != nil {
		bar = barConv(r.Measured.Card.Capability)
	}
	for _, c := range r.ConvRatios {
		if c.Net == "all" && c.Precision == "bf16" {
			r.atLeast(name, c.Ratio, bar, true, fmt.Sprintf("%d of %d", c.Layers, passes(r.Measured)))
			return
		}
	}
	r.atLeast(name, 0, bar, false, r.noTorch())
}

// passes counts the passes of all layers, as often as they appear.
func passes(g *GPUReport) (n int) {
	all := ConvLayers()
	if g.Quick {
		all = quickLayers()
	}
	for _, l := range all {
		n += 3 * l.Times
		if l.First {
			n -= l.Times
		}
	}
	return n
}

func (r *GPUResult) noTorch() string {
	if r.Torch == nil {
		return "PyTorch's side was not measured, see parts"
	}
	return "nothing to compare was measured on both sides"
}

func (r *GPUResult) judgeSteps() {
	for _, batch := range []int{128, 256} {
		name := fmt.Sprintf("supernet step of ResNet-20 against PyTorch's best, bf16, batch %d", batch)
		ours, theirs, which := 0.0, math.Inf(1), ""
		if r.Measured != nil && r.Torch != nil {
			for _, s := range r.Measured.Steps {
				if s.Net == "supernet" && s.Precision == "bf16" && s.Batch == batch {
					ours = s.Median
				}
			}
			for _, s := range r.Torch.Steps {
				if s.Batch == batch && s.Median < theirs {
					theirs, which = s.Median, s.Variant
				}
			}
		}
		if ours == 0 || which == "" {
			r.atLeast(name, 0, barStep, false, r.noTorch())
			continue
		}
		r.atLeast(name, theirs/ours, barStep, true, which)
	}
}

// ParityError is the error of a card that computes something else than the host, or not the same twice, or of which that is
// not known.
func (r *GPUResult) ParityError() error {
	var errs []error
	for _, v := range r.Verdicts {
		if !strings.HasPrefix(v.Name, parityTests) && !strings.HasPrefix(v.Name, equalBits) && !strings.HasPrefix(v.Name, followsHost) {
			continue
		}
		if v.Met == nil || !*v.Met {
			errs = append(errs, errors.New(strings.Join(strings.Fields(v.String()), " ")))
		}
	}
	return errors.Join(errs...)
}
