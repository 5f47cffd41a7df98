package compare

import (
	"fmt"
	"strings"
)

// What a front on ImageNet takes, computed and not run: image passes by each system's published recipe
// (1,281,167 training images, 50,000 validation images), times the time of a pass.

const (
	imageNetTrain = 1281167
	imageNetVal   = 50000
)

// net is a net on ImageNet, 224x224.
type net struct {
	name, title string
	macs        float64 // of one image
}

func imageNets() []net {
	return []net{{"resnet18", "ResNet-18", 1.8141e9}, {"mobilenetv2", "MobileNet-v2", 0.3008e9}}
}

func imageNetNames() []string {
	var out []string
	for _, n := range imageNets() {
		out = append(out, n.name)
	}
	return out
}

// recipe is what a system's published search takes: passes whatever the number of points, and for each point.
// Backward counts images that go forward and backward; forward, those that only go forward.
type recipe struct {
	system                            string
	fixedBackward, fixedForward       float64
	perPointBackward, perPointForward float64
	tuneEpochs                        float64 // of one chosen net
	source                            string
}

// recipes are read from the systems' papers and code; what was taken for granted is said.
func recipes() []recipe {
	return []recipe{
		{"oneshot", 90 * imageNetTrain, 0, 0, imageNetVal, 30, "epochs are not published: 90 taken, as of DNAS; an evaluation for each point"},
		{"edmips", 0, 0, 25 * imageNetTrain, 0, 95, "25 epochs (code)"},
		{"dnas", 0, 0, 90 * imageNetTrain, 0, 120, "90 epochs (recalled; no code); each pass computes every branch, which is not counted"},
		{"bayesianbits", 0, 0, 30 * imageNetTrain, 0, 10, "30 epochs, fixed gates 10 more (code)"},
		{"haq", 0, 0, 600 * 20000, 0, 30, "600 episodes of 20,000 images (code)"},
		{"spos", 120 * imageNetTrain, 0, 0, 1050 * 33600, 120, "150,000 batches of 1,024; 1,050 candidates of 33,600 images (code)"},
		{"bitmixer", 160 * imageNetTrain, 0, 0, imageNetVal, 0, "160 epochs (paper); an evaluation for each point"},
		{"fn3", 90 * imageNetTrain, 500 * imageNetVal, 0, 0, 30, "90 epochs and 500 evaluations taken: the paper does not say"},
		{"fisher", 128 * 128, 0, 0, imageNetVal, 30, "128 batches of 128 images; an evaluation for each point"},
	}
}

// passes to a front of n points, with a fine-tuning for each where tuned.
func (c recipe) passes(n int, tuned bool) (backward, forward float64) {
	backward = c.fixedBackward + float64(n)*c.perPointBackward
	if tuned {
		backward += float64(n) * c.tuneEpochs * imageNetTrain
	}
	return backward, c.fixedForward + float64(n)*c.perPointForward
}

// imageNetTable computes what nobody here has run.
func (r *runner) imageNetTable(out *Results) *table {
	t := &table{name: "imagenet", title: "Pareto search time on ImageNet: computed, not run",
		head: []string{"method", "points", "trained Mimages", "forward-only Mimages", "with fine-tuning: trained Mimages"}}
	for _, n := range imageNets() {
		t.head = append(t.head, n.title+", hours", n.title+" with fine-tuning, hours")
	}
	for _, c := range recipes() {
		for _, n := range r.e.Fronts {
			trained, forward := c.passes(n, false)
			tuned, _ := c.passes(n, true)
			row := []cell{textCell(c.system), intCell(n), millions(trained), millions(forward), millions(tuned)}
			for _, net := range imageNets() {
				step := r.stepOf(net, c.system, out)
				row = append(row, threeDigits((trained*step.Train+forward*step.Forward)/3600), threeDigits((tuned*step.Train+forward*step.Forward)/3600))
			}
			t.add(row...)
		}
	}
	var sources []string
	for _, c := range recipes() {
		sources = append(sources, fmt.Sprintf("%s: %s, fine-tuning of %g epochs", c.system, c.source, c.tuneEpochs))
	}
	t.note = "Image passes of the published recipes, times the time of one image. " + r.stepSources() + " Recipes: " + strings.Join(sources, "; ") + "."
	return t
}

// stepOf is the time of an image of a net on ImageNet: as the experiment file gives it, else that of this experiment's
// searches, times the ratio of multiply-accumulates.
func (r *runner) stepOf(n net, system string, out *Results) Step {
	if s, ok := r.e.ImageNet[n.name]; ok {
		return s
	}
	macs := 0.0
	for _, l := range r.w.space.Layers {
		macs += float64(l.MACs)
	}
	image := r.imageSeconds(system, out) * n.macs / macs
	return Step{Train: image, Forward: image / 3}
}

// imageSeconds is the time of one image forward and backward in a system's searches here, of all systems where it was
// not run. A pass that only goes forward counts a third.
func (r *runner) imageSeconds(system string, out *Results) float64 {
	var wall, images, allWall, allImages float64
	for _, m := range out.Methods {
		for _, s := range m.Seeds {
			n := float64(s.Passes.Backward) + float64(s.Passes.Forward-s.Passes.Backward)/3
			allWall, allImages = allWall+s.took.Wall, allImages+n
			if m.System == system {
				wall, images = wall+s.took.Wall, images+n
			}
		}
	}
	if images == 0 {
		wall, images = allWall, allImages
	}
	return wall / max(images, 1)
}

func (r *runner) stepSources() string {
	var out []string
	for _, n := range imageNets() {
		if s, ok := r.e.ImageNet[n.name]; ok {
			out = append(out, fmt.Sprintf("%s: %g s trained, %g s forward, measured: %s.", n.title, s.Train, s.Forward, s.Source))
		} else {
			out = append(out, fmt.Sprintf("%s: the seconds an image of the searches above (%s; forward a third), times the ratio of multiply-accumulates.", n.title, r.o.Machine))
		}
	}
	return strings.Join(out, " ")
}
