package compare

import (
	"fmt"
	"strings"
)

// What a front on ImageNet takes, computed and not run: image passes by each system's published recipe
// (1,281,167 training images, 50,000 validation images) and, only where the experiment file has times of one image that
// were measured on the net itself, those passes times that. A small net's time times a ratio of multiply-accumulates
// would be no estimate: layers of other shapes run at other rates.

const (
	imageNetTrain = 1281167
	imageNetVal   = 50000
	// imageNetTune is the epochs of one chosen net's fine-tuning, the same for all systems: what sources publish, where
	// they do, is 10 to 95 epochs, and no difference between the searches.
	imageNetTune = 30
)

// net is a net on ImageNet, 224x224.
type net struct{ name, title string }

func imageNets() []net { return []net{{"resnet18", "ResNet-18"}, {"mobilenetv2", "MobileNet-v2"}} }

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
	source                            string
}

// recipes are read from the systems' papers and code; what was taken for granted is said.
func recipes() []recipe {
	return []recipe{
		{"oneshot", 90 * imageNetTrain, 0, 0, imageNetVal, "epochs are not published: 90 taken, as of DNAS; an evaluation for each point"},
		{"vimps", 0, 0, 90 * imageNetTrain, 0, "epochs are not published: 90 taken"},
		{"edmips", 0, 0, 25 * imageNetTrain, 0, "25 epochs (code)"},
		{"dnas", 0, 0, 90 * imageNetTrain, 0, "90 epochs (recalled; no code); each pass computes every branch, which is not counted"},
		{"bayesianbits", 0, 0, 30 * imageNetTrain, 0, "30 epochs (code)"},
		{"haq", 0, 0, 600 * 20000, 0, "600 episodes of 20,000 images (code)"},
		{"spos", 150000 * 1024, 0, 0, 1050 * 33600, "150,000 batches of 1,024; 1,050 candidates of 33,600 images (code, which searches blocks)"},
		{"bitmixer", 160*imageNetTrain + 19*20*2*256, 0, 0, imageNetVal, "160 epochs (another paper's tables); Hessians of 19 layers with this program's numbers; an evaluation for each point"},
		{"fn3", 90 * imageNetTrain, 500 * imageNetVal, 0, 0, "90 epochs and 500 evaluations taken: the paper does not say"},
		{"fisher", 128 * 128, 0, 0, imageNetVal, "128 batches of 128 images; an evaluation for each point"},
	}
}

// passes to a front of n points, with a fine-tuning for each where tuned.
func (c recipe) passes(n int, tuned bool) (backward, forward float64) {
	backward = c.fixedBackward + float64(n)*c.perPointBackward
	if tuned {
		backward += float64(n) * imageNetTune * imageNetTrain
	}
	return backward, c.fixedForward + float64(n)*c.perPointForward
}

// imageNetTable computes what nobody here has run.
func (r *runner) imageNetTable() *table {
	t := &table{name: "imagenet", title: "Pareto search on ImageNet: image passes, computed, not run",
		head: []string{"method", "points", "trained Mimages", "forward-only Mimages", "with fine-tuning: trained Mimages"}}
	var measured []Step
	for _, n := range imageNets() {
		if s, ok := r.e.ImageNet[n.name]; ok {
			measured = append(measured, s)
			t.head = append(t.head, n.title+", hours", n.title+" with fine-tuning, hours")
		}
	}
	for _, c := range recipes() {
		for _, n := range r.e.Fronts {
			trained, forward := c.passes(n, false)
			tuned, _ := c.passes(n, true)
			row := []cell{textCell(c.system), intCell(n), millions(trained), millions(forward), millions(tuned)}
			for _, s := range measured {
				row = append(row, threeDigits((trained*s.Train+forward*s.Forward)/3600), threeDigits((tuned*s.Train+forward*s.Forward)/3600))
			}
			t.add(row...)
		}
	}
	t.note = r.imageNetNote()
	return t
}

func (r *runner) imageNetNote() string {
	note := fmt.Sprintf("Image passes of the published recipes; passes of different systems take different times. Fine-tuning is taken as %d epochs a point for all (published: edmips 95, haq 30, bayesianbits 10 with its gates fixed; "+
		"the others' is recalled or not published). Recipes: ", imageNetTune)
	var sources []string
	for _, c := range recipes() {
		sources = append(sources, c.system+": "+c.source)
	}
	note += strings.Join(sources, "; ") + "."
	for _, n := range imageNets() {
		if s, ok := r.e.ImageNet[n.name]; ok {
			note += fmt.Sprintf(" Hours of %s: passes times %g s an image trained and %g s forward, measured: %s; the same for all systems.", n.title, s.Train, s.Forward, s.Source)
		}
	}
	return note
}
