package nn_test

import (
	"math"
	"testing"

	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
)

// Answers are probabilities, one row an image, and the labels' among them are the loss of Score: over a split whose last
// batch is not full.
func TestAnswers(t *testing.T) {
	set, err := data.Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Find("digitsnet")
	if err != nil {
		t.Fatal(err)
	}
	g, err := m.Graph(model.Input{H: 8, W: 8, C: 1, Classes: 10})
	if err != nil {
		t.Fatal(err)
	}
	dev, err := cuda.Open(cuda.Options{Device: "host", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	params := nn.NewParams(dev, g, nn.Config{})
	params.Init(1)
	e := nn.NewEvaluator(params, nil, set, nn.Augment{})
	defer e.Free()
	answers, want := e.Answers(set.Test), e.Score(set.Test)
	if len(answers) != 10*set.Test.Len() {
		t.Fatalf("%d numbers for %d images", len(answers), set.Test.Len())
	}
	loss := 0.0
	for i := range set.Test.Len() {
		total := 0.0
		for _, v := range answers[10*i:][:10] {
			total += math.Exp(float64(v))
		}
		if math.Abs(total-1) > 1e-5 {
			t.Fatalf("image %d: probabilities sum to %g", i, total)
		}
		loss -= float64(answers[10*i+int(set.Test.Label(i))]) / float64(set.Test.Len())
	}
	if math.Abs(loss-want.Loss) > 1e-5 {
		t.Errorf("cross-entropy %g, Score says %g", loss, want.Loss)
	}
}
