package bench

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vimps-gpu/cuda"
)

// The published multiply-accumulates of the nets for one image, without their linear layers: 40.55 M of ResNet-20, 1.814 G
// of ResNet-18 and 300.8 M of MobileNet-v2, and their numbers of convolutions.
func TestConvLayersAreTheNets(t *testing.T) {
	macs, count := map[string]int{}, map[string]int{}
	for _, l := range ConvLayers() {
		macs[l.Net] += l.Times * l.MACs()
		count[l.Net] += l.Times
	}
	for net, want := range map[string][2]int{
		"resnet20":     {40_551_040 - 640, 19},
		"resnet18":     {1_814_073_344 - 512_000, 20},
		"mobilenet-v2": {300_774_272 - 1_280_000, 52},
	} {
		if macs[net] != want[0] || count[net] != want[1] {
			t.Errorf("%s: %d multiply-accumulates in %d convolutions, want %v", net, macs[net], count[net], want)
		}
	}
}

// A floor is the larger of bytes and operations; what is not known does not count.
func TestFloor(t *testing.T) {
	a100 := nominal(cuda.Card{Capability: [2]int{8, 0}, SMs: 108, ClockMHz: 1410, MemoryMHz: 1215, MemoryBits: 5120}, "bf16")
	if math.Abs(a100.Tensor-312e12) > 1e12 || math.Abs(a100.Plain-19.5e12) > 0.1e12 || math.Abs(a100.Nominal-1555e9) > 1e9 {
		t.Errorf("an A100 is said to do %v and %v FLOP/s and to move %v bytes/s", a100.Tensor, a100.Plain, a100.Nominal)
	}
	a100.Copy = 1e12
	for _, c := range []struct {
		bytes, flop float64
		want        float64
		by          string
	}{{1e12, 1e12, 1, "bytes"}, {1e9, 2 * a100.Tensor, 2, "operations"}} {
		if got, by := a100.floor(c.bytes, c.flop, true); got != c.want || by != c.by {
			t.Errorf("floor of %v bytes and %v operations: %v by %s", c.bytes, c.flop, got, by)
		}
	}
	if got, by := (Rates{Copy: 1e12}).floor(1, 1e30, true); got != 1e-12 || by != "bytes" {
		t.Errorf("floor without a rate of operations: %v by %s", got, by)
	}
}

// workFolder writes what gpu.sh leaves, for a card that is no simulated one: our convolutions take 1 ms and cuDNN's twice that, but
// half of it in the net's twice-counted layer.
func workFolder(t *testing.T, parity string) string {
	dir := t.TempDir()
	write := func(name string, v any) {
		data, isText := v.(string)
		if !isText {
			raw, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			data = string(raw)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("parts.tsv", "parity cuda\t"+parity+"\t12\t150\t\nparity nn\t0\t1\t20\t\nparity onesot\t0\t1\t20\t\nmeasure\t0\t60\t150\t\ntorch\t124\t150\t150\t\nmemcheck\t-1\t0\t0\tcompute-sanitizer is not on PATH\n")
	write("machine.tsv", "gpu\tSome Card\ndriver\t1.2\n")
	once, twice := ConvLayer{Net: "a", Times: 1, C: 8}, ConvLayer{Net: "a", Times: 2, C: 16}
	write("measured.json", GPUReport{Card: cuda.Card{Name: "Some Card 80GB", Capability: [2]int{9, 0}},
		Fused:   allFused(0.93),
		Conv:    []ConvTime{{ConvLayer: once, Pass: "forward", Precision: "bf16", Seconds: 1e-3}, {ConvLayer: twice, Pass: "forward", Precision: "bf16", Seconds: 1e-3}},
		Steps:   []GPUStep{{Net: "supernet", Precision: "bf16", Batch: 128, Median: 1e-3}},
		Repeats: []Repeat{{Precision: "bf16", Equal: true, First: 0.01, Allowed: 0.05}, {Precision: "tf32", Equal: true, First: 0.001, Allowed: 0.01}},
		LeftOut: []string{"convolutions, tf32"}})
	write("torch.json", TorchReport{Conv: []TorchConv{{once, "forward", "bf16", 2e-3}, {twice, "forward", "bf16", 0.5e-3}},
		Steps: []TorchStep{{"eager", 128, 9e-3, 1}, {"compile", 128, 2.5e-3, 1}}})
	return dir
}

// allFused is a time of every fused kernel, the last of which has this share of the copy bandwidth.
func allFused(last float64) (list []FusedTime) {
	for _, precision := range gpuPrecisions() {
		for range fusedKernels * len(fusedShapes(false)) {
			list = append(list, FusedTime{Precision: precision, Floor: 1, OfCopy: 0.97})
		}
	}
	list[len(list)-1].OfCopy = last
	return list
}

// A claim is made on both precisions and every kernel, else it is not measured.
func TestVerdictsNeedBothPrecisions(t *testing.T) {
	noFloor := allFused(0.99)
	noFloor[0] = FusedTime{Precision: "bf16", Seconds: 1}
	for _, c := range []struct {
		name  string
		fused []FusedTime
		why   string
	}{
		{"all", allFused(0.93), ""},
		{"nothing", nil, "0 of 16 kernels in bf16"},
		{"bf16 only", allFused(0.93)[:16], "0 of 16 kernels in tf32"},
		{"one too few", allFused(0.93)[:31], "15 of 16 kernels in tf32"},
		{"one without a floor", noFloor, "15 of 16 kernels in bf16"},
	} {
		r := &GPUResult{Measured: &GPUReport{Fused: c.fused}}
		r.judgeFused()
		if v := r.Verdicts[0]; len(r.Verdicts) != 1 || (v.Met == nil) != (c.why != "") || !strings.Contains(v.Why, c.why) || v.Met != nil && !*v.Met {
			t.Errorf("%s: %v", c.name, r.Verdicts)
		}
	}
	good := Repeat{Precision: "bf16", Equal: true, Allowed: 0.05}
	for _, c := range []struct {
		measured *GPUReport
		unknown  int
	}{{nil, 4}, {&GPUReport{}, 4}, {&GPUReport{Repeats: []Repeat{good}}, 2}, {&GPUReport{Repeats: []Repeat{good, {Precision: "tf32", Equal: true, Allowed: 0.01}}}, 0}} {
		r, unknown := &GPUResult{Measured: c.measured}, 0
		r.judgeRepeats()
		for _, v := range r.Verdicts {
			if v.Met == nil && v.Why != "" {
				unknown++
			}
		}
		if err := r.ParityError(); len(r.Verdicts) != 4 || unknown != c.unknown || (err == nil) != (c.unknown == 0) {
			t.Errorf("%+v: %v, error %v", c.measured, r.Verdicts, err)
		}
	}
}

// A loss that is not finite is an error which names its step.
func TestFinite(t *testing.T) {
	if err := finite([]float64{2.3, 0, -1e300}); err != nil {
		t.Error(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if err := finite([]float64{2.3, bad}); err == nil || !strings.Contains(err.Error(), "step 2 of 2 is") {
			t.Errorf("%v: error %v", bad, err)
		}
	}
}

// Ratios are judged by their bars, parts that failed stay in the record, and parity decides the error.
func TestGPUResult(t *testing.T) {
	r, err := ReadGPUResult(workFolder(t, "0"))
	if err != nil {
		t.Fatal(err)
	}
	if r.Simulated || r.FileName() != "some-card-80gb" || r.ParityError() != nil {
		t.Errorf("simulated %t, %s, %v", r.Simulated, r.FileName(), r.ParityError())
	}
	type verdict struct {
		value float64
		met   string
	}
	want := map[string]verdict{
		parityTests + ": every op (tests of ./cuda)":                         {0, "met"},
		"fused mixes: the slowest one's share of the copy bandwidth":         {0.93, "met"},
		"convolutions against cuDNN, bf16: geometric mean":                   {math.Cbrt(0.5), "met"}, // 2 * 0.5 * 0.5
		"supernet step of ResNet-20 against PyTorch's best, bf16, batch 128": {2.5, "not met"},
		"supernet step of ResNet-20 against PyTorch's best, bf16, batch 256": {0, ""},
		"compute-sanitizer memcheck":                                         {0, ""},
		"compute-sanitizer racecheck":                                        {0, ""},
	}
	for _, v := range r.Verdicts {
		met := ""
		if v.Met != nil {
			met = map[bool]string{true: "met", false: "not met"}[*v.Met]
		}
		if w, ok := want[v.Name]; ok && (math.Abs(v.Value-w.value) > 1e-12 || met != w.met) {
			t.Errorf("%+v, want %v", v, w)
		}
		delete(want, v.Name)
	}
	if len(want) > 0 {
		t.Errorf("no verdict on %v", want)
	}
	told := strings.Join(r.NotMeasured, "\n")
	for _, part := range []string{"torch: timed out", "memcheck: left out: compute-sanitizer is not on PATH", "convolutions, tf32"} {
		if !strings.Contains(told, part) {
			t.Errorf("%q is not told to be missing: %s", part, told)
		}
	}
	var md bytes.Buffer
	if err := r.WriteMarkdown(&md); err != nil || !strings.Contains(md.String(), "| torch | timed out | 150 | 150 |") {
		t.Errorf("%v: %s", err, md.String())
	}
}

func TestGPUResultParityFails(t *testing.T) {
	r, err := ReadGPUResult(workFolder(t, "1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.ParityError(); err == nil || !strings.Contains(err.Error(), parityTests+": every op (tests of ./cuda) NOT MET") {
		t.Errorf("error %v", err)
	}
	if err := (&GPUResult{Verdicts: []Verdict{{Name: equalBits}}}).ParityError(); err == nil {
		t.Error("no error where equal bits were not shown")
	}
}

// A line that the script did not write whole names the file and the line.
func TestGPUResultBadFile(t *testing.T) {
	dir := workFolder(t, "0")
	if err := os.WriteFile(filepath.Join(dir, "parts.tsv"), []byte("parity\t0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadGPUResult(dir); err == nil || !strings.Contains(err.Error(), "parts.tsv: line 1 has 2 fields, want 5") {
		t.Errorf("error %v", err)
	}
}
