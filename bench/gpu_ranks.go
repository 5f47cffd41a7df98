package bench

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
)

// barRanks is the least efficiency of weak scaling on barGPUs GPUs.
const (
	barRanks = 0.9
	barGPUs  = 8
)

// RanksTime is a step that the script timed on several GPUs.
type RanksTime struct {
	Kind string `json:"kind"` // weak: a micro-batch of the same size on each GPU; strong: the same step on all
	RanksReport
	Efficiency float64 `json:"efficiency"` // beside one GPU; 0 where that was not timed
}

// readRanks reads what bench ranks left in ranks/MODEL-KIND-RANKS.json of the script's folder.
func readRanks(dir string) (list []RanksTime, err error) {
	list = []RanksTime{}
	for _, kind := range []string{"weak", "strong"} {
		paths, err := filepath.Glob(filepath.Join(dir, "ranks", "*-"+kind+"-*.json"))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			t := RanksTime{Kind: kind}
			if _, err := readJSON(path, &t.RanksReport); err != nil {
				return nil, err
			}
			if t.Ranks < 1 || t.Median <= 0 {
				return nil, fmt.Errorf("%s: %d ranks took %v s", path, t.Ranks, t.Median)
			}
			list = append(list, t)
		}
	}
	slices.SortFunc(list, func(a, b RanksTime) int {
		return cmp.Or(cmp.Compare(b.Kind, a.Kind), cmp.Compare(a.Model, b.Model), cmp.Compare(a.Ranks, b.Ranks))
	})
	for i := range list {
		list[i].Efficiency = efficiency(list, list[i])
	}
	return list, nil
}

// efficiency is t1/tN of a weak scaling, t1/(N tN) of a strong one; 0 where one rank was not timed.
func efficiency(list []RanksTime, t RanksTime) float64 {
	for _, one := range list {
		if one.Ranks != 1 || one.Kind != t.Kind || one.Model != t.Model {
			continue
		}
		if t.Kind == "strong" {
			return one.Median / (float64(t.Ranks) * t.Median)
		}
		return one.Median / t.Median
	}
	return 0
}

// ranksNets are the nets whose scaling is judged.
func ranksNets() []string { return []string{"resnet18", "resnet20"} }

// ranksPart is the name under which the script records why nothing was timed on several GPUs.
const ranksPart = "ranks"

// judgeRanks judges weak scaling, where the machine has as many GPUs as the bar is for.
func (r *GPUResult) judgeRanks() {
	for _, net := range ranksNets() {
		name := fmt.Sprintf("weak scaling of %s on %d GPUs: t1/tN", net, barGPUs)
		value, known, why := 0.0, false, r.whyNoRanks()
		for _, t := range r.Ranks {
			if t.Kind != "weak" || t.Model != net || t.Efficiency == 0 || t.Ranks < 2 {
				continue
			}
			value, known = t.Efficiency, t.Ranks == barGPUs
			why = fmt.Sprintf("%.4g on %d GPUs; the bar is for %d", value, t.Ranks, barGPUs)
			if known {
				why = fmt.Sprintf("%d images each", t.Batch/t.Ranks)
				break
			}
		}
		r.atLeast(name, value, barRanks, known, why)
	}
}

func (r *GPUResult) whyNoRanks() string {
	for _, p := range r.Parts {
		if p.Name == ranksPart {
			return p.Why
		}
	}
	return "not both one GPU and several were timed, see parts"
}

func (m *markdown) ranks(list []RanksTime) {
	if len(list) == 0 {
		return
	}
	m.line("\n## Several GPUs\n")
	m.table("scaling", "net", "GPUs", "images a step", "micro-batches", "ms, min", "ms, median", "images/s", "efficiency")
	for _, t := range list {
		share := ""
		if t.Efficiency > 0 {
			share = fmt.Sprintf("%.1f %%", 100*t.Efficiency)
		}
		m.row(t.Kind, t.Model, fmt.Sprint(t.Ranks), fmt.Sprint(t.Batch), fmt.Sprint(t.Micros), fmt.Sprintf("%.3f", 1e3*t.Min), fmt.Sprintf("%.3f", 1e3*t.Median),
			fmt.Sprintf("%.0f", t.ImagesPerSecond), share)
	}
}
