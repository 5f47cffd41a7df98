package compare

import (
	"math"
	"slices"
)

// TauB is Kendall's tau-b of pairs (x[i], y[i]): (concordant - discordant) / sqrt((n0-ties in x) (n0-ties in y)) with n0 =
// n(n-1)/2 (Kendall, Biometrika 1945). ok is false for fewer than 3 pairs, where all x or all y are equal, and where a
// value is NaN.
func TauB(x, y []float64) (tau float64, ok bool) {
	if len(x) != len(y) {
		panic("compare.TauB: slices of different lengths")
	}
	if len(x) < 3 || slices.ContainsFunc(x, math.IsNaN) || slices.ContainsFunc(y, math.IsNaN) {
		return 0, false
	}
	var sum, untiedX, untiedY int
	for i := range x {
		for j := range i {
			a, b := sign(x[i], x[j]), sign(y[i], y[j])
			sum += a * b
			untiedX += a * a
			untiedY += b * b
		}
	}
	if untiedX == 0 || untiedY == 0 {
		return 0, false
	}
	return float64(sum) / math.Sqrt(float64(untiedX)*float64(untiedY)), true
}

func sign(a, b float64) int {
	switch {
	case a > b:
		return 1
	case a < b:
		return -1
	}
	return 0
}

// Estimate is a number with its 95 % interval, of a percentile bootstrap.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Column is one predictor's view of children: Score ranks them, higher is better; Tuned is what each reached after
// fine-tuning, higher is better, [child][fine-tuning seed].
type Column struct {
	Score []float64
	Tuned [][]float64
}

// Sample is the children of one search seed, as several predictors see them: the columns agree in children and seeds.
type Sample []Column

// Bootstrap holds tau-b of each column, and its replicates. Each value is the mean over the samples (search seeds) of
// tau-b between the score and the mean over fine-tuning seeds. A replicate draws samples, children and, for each child,
// fine-tuning seeds with replacement, the same for every column, so that differences between columns are paired; where
// samples share their children also the same for every sample, since more search seeds are not more children. A child that
// is drawn twice has the same fine-tuning seeds: ties in the score are then ties in what was reached.
type Bootstrap struct {
	value      []float64   // [column]; NaN: not available
	replicates [][]float64 // [column][replicate]
}

// resamples is the number of replicates of an interval.
const resamples = 2000

// NewBootstrap draws replicates by a seed. All samples have the same number of columns and, where shared is set, the same
// children in the same order.
func NewBootstrap(samples []Sample, shared bool, seed uint64) *Bootstrap {
	b := &Bootstrap{}
	if len(samples) == 0 {
		return b
	}
	columns := len(samples[0])
	b.value, b.replicates = make([]float64, columns), make([][]float64, columns)
	identity := make([]draws, len(samples))
	for i, s := range samples {
		identity[i] = everything(i, s)
	}
	for c := range columns {
		b.value[c] = meanTau(samples, identity, c)
	}
	for r := range resamples {
		drawn := resample(samples, shared, stream{seed: seed, kind: streamBootstrap, item: uint32(r)})
		for c := range columns {
			tau := math.NaN()
			if !math.IsNaN(b.value[c]) {
				tau = meanTau(samples, drawn, c)
			}
			b.replicates[c] = append(b.replicates[c], tau)
		}
	}
	return b
}

// Tau is that of a column; nil where it is not available.
func (b *Bootstrap) Tau(column int) *Estimate {
	if column >= len(b.value) || math.IsNaN(b.value[column]) {
		return nil
	}
	return estimate(b.value[column], b.replicates[column])
}

// Difference is tau of one column less that of another, paired; nil where one of them is not available.
func (b *Bootstrap) Difference(column, other int) *Estimate {
	if max(column, other) >= len(b.value) || math.IsNaN(b.value[column]-b.value[other]) {
		return nil
	}
	differences := make([]float64, resamples)
	for r := range differences {
		differences[r] = b.replicates[column][r] - b.replicates[other][r]
	}
	return estimate(b.value[column]-b.value[other], differences)
}

// estimate takes the interval from the replicates that are numbers. Where half of them are not, there is none.
func estimate(value float64, replicates []float64) *Estimate {
	sorted := slices.DeleteFunc(slices.Clone(replicates), math.IsNaN)
	if 2*len(sorted) <= len(replicates) {
		return nil
	}
	slices.Sort(sorted)
	return &Estimate{Value: value, Low: quantile(sorted, 0.025), High: quantile(sorted, 0.975)}
}

// quantile interpolates between the two sorted values around position q*(n-1).
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// draws are the indices of a replicate within one sample.
type draws struct {
	sample   int
	children []int
	seeds    [][]int // [child drawn]
}

func everything(sample int, s Sample) draws {
	d := draws{sample: sample}
	for i, tuned := range s[0].Tuned {
		d.children = append(d.children, i)
		seeds := make([]int, len(tuned))
		for j := range seeds {
			seeds[j] = j
		}
		d.seeds = append(d.seeds, seeds)
	}
	return d
}

// resample draws one replicate. A sample's place among the draws is in the upper half of the first counter word, of all
// samples the same for what they share; a child's place, or for its fine-tuning seeds its number, in the lower half. 0
// stands for the draw of the sample, and of the child, itself.
func resample(samples []Sample, shared bool, s stream) []draws {
	out := make([]draws, len(samples))
	for i := range out {
		of := uint32(i) << 16
		out[i].sample = s.below(len(samples), of, 0)
		if shared {
			of = 0
		}
		tuned := samples[out[i].sample][0].Tuned
		for k := range tuned {
			child := s.below(len(tuned), of+uint32(k)+1, 0)
			seeds := make([]int, len(tuned[child]))
			for j := range seeds {
				seeds[j] = s.below(len(seeds), of+uint32(child)+1, uint32(j)+1)
			}
			out[i].children, out[i].seeds = append(out[i].children, child), append(out[i].seeds, seeds)
		}
	}
	return out
}

// meanTau is NaN where tau is not available in some sample.
func meanTau(samples []Sample, drawn []draws, column int) float64 {
	sum := 0.0
	for _, d := range drawn {
		c := samples[d.sample][column]
		x, y := make([]float64, len(d.children)), make([]float64, len(d.children))
		for i, child := range d.children {
			x[i] = c.Score[child]
			for _, seed := range d.seeds[i] {
				y[i] += c.Tuned[child][seed] / float64(len(d.seeds[i]))
			}
		}
		tau, ok := TauB(x, y)
		if !ok {
			return math.NaN()
		}
		sum += tau
	}
	return sum / float64(len(drawn))
}
