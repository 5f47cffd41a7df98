package compare

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// The units of work, by their ids:
//
//	fp32                          training of the fp32 net, or reading and evaluating it
//	search-METHOD-sSEED           a search, in a run directory of that name
//	predict-METHOD-sSEED-on       what its nets say of the children, with re-estimated statistics (off: as trained)
//	tune-CHILD-fSEED              a fine-tuning from the fp32 net, shared by all methods
//	tune-METHOD-sSEED-CHILD-fSEED a fine-tuning from the method's net
//
// A METHOD is a label, of a method or an ablation; a CHILD is the beginning of a hash of its bits.
const fp32ID = "fp32"

func searchID(v *variant, seed uint64) string { return fmt.Sprintf("search-%s-s%d", v.label, seed) }

func predictID(v *variant, seed uint64, recalibration string) string {
	return fmt.Sprintf("predict-%s-s%d-%s", v.label, seed, recalibration)
}

func (e *Experiment) tuneID(v *variant, seed uint64, child string, tuneSeed uint64) string {
	if e.Finetune.Start == startFP32 {
		return fmt.Sprintf("tune-%s-f%d", child, tuneSeed)
	}
	return fmt.Sprintf("tune-%s-s%d-%s-f%d", v.label, seed, child, tuneSeed)
}

// childID names a child in file names and results.
func childID(a quant.Assignment) string {
	sum := sha256.Sum256([]byte(a.String()))
	return hex.EncodeToString(sum[:6])
}

// alongFront are the children of a search that are predicted, and, of a method, fine-tuned.
func (e *Experiment) alongFront(points []onesot.Point) []onesot.Point {
	if e.Correlation.AlongFront == 0 {
		return nil
	}
	return Spread(points, e.Correlation.AlongFront)
}

// own are the children along a search's front.
func (r *runner) own(points []onesot.Point) []quant.Assignment {
	var out []quant.Assignment
	for _, p := range r.e.alongFront(points) {
		out = append(out, p.Assignment)
	}
	return out
}

// children are those that a search's nets are asked for: along its front, then of equal BOPs.
func (r *runner) children(points []onesot.Point) []quant.Assignment {
	return distinct(slices.Concat(r.own(points), r.w.equal))
}

func distinct(list []quant.Assignment) []quant.Assignment {
	seen := map[string]bool{}
	var out []quant.Assignment
	for _, a := range list {
		if !seen[a.Key()] {
			seen[a.Key()] = true
			out = append(out, a)
		}
	}
	return out
}

// tuned tells which of a search's children are fine-tuned. An ablation's own are not: where all start from fp32, those
// of equal BOPs have been for its method.
func (r *runner) tuned(v *variant, points []onesot.Point) []quant.Assignment {
	if v.ablates != "" {
		return nil
	}
	return r.children(points)
}

// planned is a search: a method, or an ablation, under a seed. Its number tells which shard does it.
type planned struct {
	*variant
	seed   uint64
	number int
}

// searches are all that the experiment has.
func (r *runner) searches() []planned {
	var out []planned
	for _, v := range r.w.variants {
		for _, seed := range r.e.Seeds {
			out = append(out, planned{v, seed, len(out)})
		}
	}
	return out
}

// mySearches are those of this shard.
func (r *runner) mySearches() []planned {
	return slices.DeleteFunc(r.searches(), func(p planned) bool { return !r.o.Shard.does(p.number) })
}

// tuning is the fine-tuning of a child under a seed. The number of one that starts from fp32 tells which shard does it.
type tuning struct {
	child  quant.Assignment
	seed   uint64
	number int
}

// tuningsOf lists the fine-tunings of children, numbered from first.
func (e *Experiment) tuningsOf(children []quant.Assignment, first int) []tuning {
	var out []tuning
	for _, a := range children {
		for _, seed := range e.Finetune.Seeds {
			out = append(out, tuning{a, seed, first + len(out)})
		}
	}
	return out
}

// shared are the fine-tunings from the fp32 net: of the children of equal BOPs, which come first so that their numbers do not
// depend on what is found, and of those that searches have found; none where fine-tuning starts from a method's net.
func (r *runner) shared(found []quant.Assignment) []tuning {
	if r.e.Finetune.Start != startFP32 || !r.e.tunes() {
		return nil
	}
	return r.e.tuningsOf(distinct(slices.Concat(r.w.equal, found)), len(r.searches()))
}

// myShared are those of this shard.
func (r *runner) myShared(found []quant.Assignment) []tuning {
	return slices.DeleteFunc(r.shared(found), func(t tuning) bool { return !r.o.Shard.does(t.number) })
}

// unitsAhead is how many units of each class there are at most, before searches have told how many children there are.
func (r *runner) unitsAhead() map[string]int {
	e, ahead := r.e, map[string]int{fp32ID: 1}
	if r.o.Finetune {
		return ahead
	}
	for _, p := range r.mySearches() {
		ahead["search "+p.label]++
		if !e.tunes() {
			continue
		}
		ahead["predict "+p.label] += len(e.Correlation.Recalibration)
		if p.ablates != "" {
			continue
		}
		if e.Finetune.Start == startSupernet {
			ahead["tune"] += (e.Correlation.AlongFront + len(r.w.equal)) * len(e.Finetune.Seeds)
		} else if r.o.Shard.whole() {
			ahead["tune"] += e.Correlation.AlongFront * len(e.Finetune.Seeds)
		}
	}
	ahead["tune"] += len(r.myShared(nil))
	return ahead
}
