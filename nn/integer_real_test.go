package nn_test

import (
	"math"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
	"vimps-gpu/nn/weights"
	"vimps-gpu/quant"
)

// bothPaths runs one child of a net by float and by integer arithmetic over a split: how many images get
// the same class, how many each path has right, the largest difference of two logits and the largest logit.
type bothPaths struct {
	images, agree, right, integerRight int
	difference, largest                float64
}

const pathBatch = 100

func compare(p *nn.Params, gates *nn.Gates, set *data.Set, s data.Split) (b bothPaths) {
	type path struct {
		plan  *nn.Plan
		feed  *nn.Feed
		graph *cuda.Graph
	}
	var paths [2]path
	for i := range paths {
		plan := nn.NewPlan(p, gates, nn.NewScalars(p.Dev), nn.PlanOptions{Batch: pathBatch, Integer: i == 1})
		feed := nn.NewFeed(plan, set.Mean, set.Std, nn.Augment{})
		paths[i] = path{plan, feed, p.Dev.Record(func() { feed.Emit(); plan.PackFilters(); plan.Forward() })}
		defer plan.Free()
		defer paths[i].graph.Free()
	}
	for from := 0; from+pathBatch <= s.Len(); from += pathBatch {
		positions := make([]int, pathBatch)
		for i := range positions {
			positions[i] = from + i
		}
		var logits [2][]float32
		for i, path := range paths {
			path.feed.Fill(s, positions, nn.Draw{})
			path.graph.Launch()
			logits[i] = path.plan.Logits.Get(nil)
		}
		classes := len(logits[0]) / pathBatch
		for i := range pathBatch {
			a, c := argmax(logits[0][i*classes:][:classes]), argmax(logits[1][i*classes:][:classes])
			label := int(s.Label(from + i))
			b.images++
			b.agree += count(a == c)
			b.right += count(a == label)
			b.integerRight += count(c == label)
		}
		for i, v := range logits[0] {
			b.difference = max(b.difference, math.Abs(float64(v-logits[1][i])))
			b.largest = max(b.largest, math.Abs(float64(v)))
		}
	}
	return b
}

func argmax(v []float32) (at int) {
	for i := range v {
		if v[i] > v[at] {
			at = i
		}
	}
	return at
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ResNet-20 with published weights and steps by MSE, on CIFAR-10: a child classifies by integer arithmetic as by
// float. Classes are compared, not logits: where a rounding moves a value over a tie between two codes, the layers behind
// it differ by a step. Two orders of the float sums (portable, avx512) give logits as far apart as the two paths do.
func TestPublishedResNet20ByIntegers(t *testing.T) {
	set, err := data.Open("cifar10:" + realData(t, "cifar10"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := weights.ReadFile(realData(t, "weights/resnet20_cifar10.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	dev, g := openHost(t), resnet20(t)
	fp32 := nn.NewParams(dev, g, nn.Config{})
	if _, err := fp32.Load(f); err != nil {
		t.Fatal(err)
	}
	policy := quant.DefaultPolicy()
	policy.WeightBits, policy.InputBits = []int{4, 8}, []int{4, 8}
	space, err := quant.NewSpace(g.Layers(), policy)
	if err != nil {
		t.Fatal(err)
	}
	p, gates := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormPlain}), nn.NewGates(dev, space)
	images := make([]int, 1000)
	for i := range images {
		images[i] = i
	}
	p.Start(fp32, set, set.Train.Subset(images[:32]))
	for _, bits := range []int{8, 4} {
		child, err := quant.Uniform(space, bits, bits)
		if err != nil {
			t.Fatal(err)
		}
		gates.SetChild(space, child)
		b := compare(p, gates, set, set.Test.Subset(images))
		t.Logf("%d/%d bits: float %d, integer %d of %d right; same class %d; logits differ by %.2g at most of %.3g", bits, bits,
			b.right, b.integerRight, b.images, b.agree, b.difference, b.largest)
		if b.agree < b.images*99/100 {
			t.Errorf("%d bits: only %d of %d images get the same class", bits, b.agree, b.images)
		}
		if bits == 8 && b.integerRight < b.images*9/10 {
			t.Errorf("8 bits: %d of %d right, want 90 %% or more", b.integerRight, b.images)
		}
	}
}

// The same on digits, with a net that nobody trained: what counts is that both paths say the same. Its linear layer has
// no bias and one step for all classes, so that the integer path's logits can be equal, which float sums rarely are.
func TestDigitsByIntegers(t *testing.T) {
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Find("digitsnet")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: set.Train.H(), W: set.Train.W(), C: set.Train.C(), Classes: len(set.Classes)})
	if err != nil {
		t.Fatal(err)
	}
	dev := openHost(t)
	fp32 := nn.NewParams(dev, g, nn.Config{})
	fp32.Init(1)
	space := searchAll(t, g, []int{2, 4, 8}, []int{2, 4, 8})
	p, gates := nn.NewParams(dev, g, nn.Config{Space: space, Norm: nn.NormPair}), nn.NewGates(dev, space)
	p.Start(fp32, set, set.Train)
	for _, bits := range [][2]int{{8, 8}, {4, 4}, {2, 8}, {8, 2}} {
		child, err := quant.Uniform(space, bits[0], bits[1])
		if err != nil {
			t.Fatal(err)
		}
		gates.SetChild(space, child)
		e := nn.NewEvaluator(p, gates, set, m.Augment)
		e.Recalibrate(set.Train, 512, 0)
		b := compare(p, gates, set, set.Test)
		float, integer := e.Score(set.Test), e.ScoreInteger(set.Test)
		e.Free()
		t.Logf("bits %v: same class %d of %d; logits differ by %.2g at most of %.3g; loss %.5f, integer %.5f", bits, b.agree, b.images,
			b.difference, b.largest, float.Loss, integer.Loss)
		if b.agree < b.images*99/100 || math.Abs(float.Loss-integer.Loss) > 1e-3*float.Loss {
			t.Errorf("bits %v: %+v; loss %g, integer %g", bits, b, float.Loss, integer.Loss)
		}
	}
}
