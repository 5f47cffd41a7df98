package fn3

import (
	"cmp"
	"math"

	"vimps-gpu/quant"
)

// removal is the search of the authors' kind: from the widest child on, the component whose removal costs least is
// removed, one after the other. A component is here what a gate's candidate has over the next narrower one.
type removal struct {
	space *quant.Space
	cost  *quant.CostTable
	// most bounds how many gates are measured anew for one removal; 0: as many as it takes.
	most int
	// loss evaluates a child, each but once; its error ends the search.
	loss  func(quant.Assignment) (float64, error)
	after func() error // each removal

	gates  []quant.Gate
	choice []int    // of each gate: a candidate
	now    float64  // loss of the child that choice is
	length int      // removals done
	rises  []rise   // of each gate: as last measured
	buffer [2][]int // of child
}

// rise is what a gate's next narrowing adds to the loss.
type rise struct {
	loss float64
	at   int // removals done when it was measured; -1: never
}

// path is the visited children, the widest first. Each costs less than the one before; the last is one that no
// narrowing of a single gate makes cheaper.
//
// A removal takes the gate with the least rise of the loss per saved cost. Measuring every gate for every removal
// would take gates x removals evaluations. Instead the last measured rise stands for a gate until it leads the order
// (lazy greedy): it is measured anew then, and wins if it still leads. That is exact where narrowing one gate never
// makes the next one's narrowing cheaper; savings, which depend on the partner's width, are always exact. With most
// set the search stops after that many measurements and takes the best of those that are fresh.
func (r *removal) path() ([]quant.Assignment, error) {
	r.gates = r.space.Gates()
	r.choice, r.rises = make([]int, len(r.gates)), make([]rise, len(r.gates))
	for i, gate := range r.gates {
		r.choice[i], r.rises[i].at = len(gate.Bits)-1, -1
	}
	a := r.child()
	path := []quant.Assignment{a}
	var err error
	if r.now, err = r.loss(a); err != nil {
		return nil, err
	}
	for {
		gate, to, err := r.next()
		if err != nil || gate < 0 {
			return path, err
		}
		r.now += r.rises[gate].loss
		r.choice[gate] = to
		r.rises[gate].at = -1
		r.length++
		path = append(path, r.child())
		if err := r.after(); err != nil {
			return nil, err
		}
	}
}

// next is the gate to narrow and the candidate to narrow it to; -1 where no narrowing saves anything.
func (r *removal) next() (gate, to int, err error) {
	for measured := 0; ; {
		best, fresh := -1, -1
		var lead, freshLead move
		for g := range r.gates {
			m := r.move(g)
			switch {
			case m.to < 0:
				continue
			case r.rises[g].at < 0: // nothing stands for it
				if err := r.measure(g, m.to); err != nil {
					return -1, -1, err
				}
				m.rise = r.rises[g]
			}
			if best < 0 || m.before(lead) {
				best, lead = g, m
			}
			if m.rise.at == r.length && (fresh < 0 || m.before(freshLead)) {
				fresh, freshLead = g, m
			}
		}
		switch {
		case best < 0:
			return -1, -1, nil
		case best == fresh:
			return best, lead.to, nil
		case r.most > 0 && measured == r.most:
			return fresh, freshLead.to, nil
		}
		if err := r.measure(best, lead.to); err != nil {
			return -1, -1, err
		}
		measured++
	}
}

// move is a gate's next narrowing.
type move struct {
	to    int     // candidate; -1: none saves anything
	saved float64 // of the cost, above 0
	rise
}

// before orders narrowings by rise of the loss per saved cost. One that does not raise the loss is free; of free ones
// that which saves more goes first (ours: a negative rise divided by the saving would favour those that save little).
func (m move) before(o move) bool {
	rate := func(m move) float64 { return max(0, m.rise.loss) / m.saved }
	return cmp.Or(cmp.Compare(rate(m), rate(o)), cmp.Compare(o.saved, m.saved)) < 0
}

// move finds the widest narrower candidate that makes the child cheaper. In a table of a measured cost it may not
// be the next one.
func (r *removal) move(gate int) move {
	now := r.cost.Cost(r.child())
	was := r.choice[gate]
	defer func() { r.choice[gate] = was }()
	for to := was - 1; to >= 0; to-- {
		r.choice[gate] = to
		if saved := now - r.cost.Cost(r.child()); saved > 0 {
			return move{to, saved, r.rises[gate]}
		}
	}
	return move{to: -1, saved: math.NaN()}
}

// measure evaluates the child with a gate narrowed.
func (r *removal) measure(gate, to int) error {
	was := r.choice[gate]
	r.choice[gate] = to
	loss, err := r.loss(r.child())
	r.choice[gate] = was
	r.rises[gate] = rise{loss - r.now, r.length}
	return err
}

func (r *removal) child() quant.Assignment {
	for k := range r.buffer {
		if r.buffer[k] == nil {
			r.buffer[k] = make([]int, len(r.space.Layers))
		}
	}
	for i, gate := range r.gates {
		r.buffer[gate.Kind][gate.Layer] = r.choice[i]
	}
	return quant.Choose(r.space, r.buffer[quant.Weight], r.buffer[quant.Input])
}
