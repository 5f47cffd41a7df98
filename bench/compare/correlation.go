package compare

// Correlated tells how well a method's nets order children as fine-tuning does: Kendall's tau-b between what is
// predicted on validation images and what is reached on test images.
type Correlated struct {
	Set           string `json:"children"`      // along_front or equal_bops
	Recalibration string `json:"recalibration"` // of the prediction: on or off
	Metric        string `json:"metric"`        // accuracy, cross_entropy or divergence
	Children      []int  `json:"children_per_seed"`
	// Tau of the method, of the predictor "more BOPs are better", and their difference, paired; absent where it cannot be
	// told.
	Tau        *Estimate `json:"tau,omitempty"`
	Trivial    *Estimate `json:"tau_more_bops,omitempty"`
	Difference *Estimate `json:"difference,omitempty"`
	// Solver is tau less that of the method fisher, of the same children.
	Solver *Estimate `json:"difference_to_fisher,omitempty"`
}

// The sets of children and the metrics.
const (
	alongFront = "along_front"
	equalBOPs  = "equal_bops"

	byAccuracy = "accuracy"
	byLoss     = "cross_entropy"
	// byDivergence predicts by the divergence from the fp32 net; what is reached is the cross-entropy.
	byDivergence = "divergence"
)

// The columns of a Sample.
const (
	columnMethod = iota
	columnTrivial
	columnSolver
)

// solver is the method that every other is compared with among children of equal BOPs.
const solver = "fisher"

func (r *runner) correlate(m *Method, methods []*Method) []Correlated {
	if !r.e.tunes() {
		return nil
	}
	var rival *Method
	for _, other := range methods {
		if other.System == solver && m.System != solver && rival == nil {
			rival = other
		}
	}
	var out []Correlated
	for _, set := range []string{alongFront, equalBOPs} {
		for _, how := range r.e.Correlation.Recalibration {
			for _, metric := range []string{byAccuracy, byLoss, byDivergence} {
				c := Correlated{Set: set, Recalibration: how, Metric: metric}
				var samples []Sample
				for i, s := range m.Seeds {
					var other *Seed
					if rival != nil && set == equalBOPs {
						other = rival.Seeds[i]
					}
					sample, n := r.sample(s, other, set, how, metric)
					samples, c.Children = append(samples, sample), append(c.Children, n)
				}
				b := NewBootstrap(samples, set == equalBOPs, r.e.Seed)
				c.Tau, c.Trivial = b.Tau(columnMethod), b.Tau(columnTrivial)
				c.Difference, c.Solver = b.Difference(columnMethod, columnTrivial), b.Difference(columnMethod, columnSolver)
				out = append(out, c)
			}
		}
	}
	return out
}

// sample pairs what a seed's nets, and those of other where there is one, predict of a set of children with what became
// of them. Children that were not fine-tuned are left out.
func (r *runner) sample(s, other *Seed, set, how, metric string) (Sample, int) {
	columns := 2
	if other != nil {
		columns = 3
	}
	sample := make(Sample, columns)
	children := r.w.equal
	if set == alongFront {
		children = nil
		for _, p := range r.e.alongFront(s.Points) {
			children = append(children, p.Assignment)
		}
	}
	for _, a := range children {
		id := childID(a)
		tuned := s.tuned(id)
		if tuned == nil || other != nil && other.tuned(id) == nil {
			continue
		}
		sample[columnMethod].add(predictedScore(s.Predicted[how], id, metric), tuned, metric)
		sample[columnTrivial].add(r.w.bops.Relative(a), tuned, metric)
		if other != nil {
			sample[columnSolver].add(predictedScore(other.Predicted[how], id, metric), other.tuned(id), metric)
		}
	}
	return sample, len(sample[columnMethod].Score)
}

func (c *Column) add(score float64, tuned []Tuned, metric string) {
	reached := make([]float64, len(tuned))
	for i, t := range tuned {
		reached[i] = t.AccuracyTest
		if metric != byAccuracy {
			reached[i] = -t.LossTest
		}
	}
	c.Score, c.Tuned = append(c.Score, score), append(c.Tuned, reached)
}

// predictedScore is higher for a child of which the net expects more.
func predictedScore(list []Predicted, child, metric string) float64 {
	for _, p := range list {
		switch {
		case p.Child != child:
		case p.Rank != nil:
			return -*p.Rank
		case metric == byLoss:
			return -p.LossVal
		case metric == byDivergence:
			return -p.Divergence
		default:
			return p.AccuracyVal
		}
	}
	panic("compare: no prediction of child " + child) // every child of a seed has one
}
