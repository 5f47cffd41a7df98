package restart

import (
	"context"
	"fmt"
	"math"
	"strings"

	"vimps-gpu/nn"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// keep puts the trained net of a penalty aside.
func (l *ladder) keep(penalty int, net *onesot.Supernet) error {
	list := values(net)
	if err := l.p.State.Keep(name(penalty), list); err != nil {
		return err
	}
	if kept, err := l.p.State.Kept(name(penalty), nil); kept || err != nil {
		return err
	}
	for _, t := range list {
		l.copies[penalty] = append(l.copies[penalty], t.T.Get(nil))
	}
	return nil
}

func name(penalty int) string { return fmt.Sprintf("penalty-%d", penalty) }

// values are the tensors of a net's state without the optimizers'.
func values(net *onesot.Supernet) (list []nn.NamedTensor) {
	for _, t := range net.State() {
		if !strings.HasSuffix(t.Name, ".moment") && !strings.HasSuffix(t.Name, ".moment2") {
			list = append(list, t)
		}
	}
	return list
}

// load makes l.net the net of a penalty.
func (l *ladder) load(penalty int) error {
	if l.at == penalty {
		return nil
	}
	if l.net == nil {
		net, err := l.build(l.p, l.p.Asked[penalty])
		if err != nil {
			return err
		}
		l.net, l.judge = net, onesot.NewJudge(l.p, net.Quantized)
	}
	l.at = -1
	list := values(l.net)
	if copies := l.copies[penalty]; copies != nil {
		for i, t := range list {
			t.T.Set(copies[i])
		}
	} else if kept, err := l.p.State.Kept(name(penalty), list); err != nil {
		return err
	} else if !kept {
		return fmt.Errorf("the net of penalty %g is missing from the run directory", l.p.Asked[penalty])
	}
	l.judge.Forget()
	l.at = penalty
	return nil
}

// evaluate finds the child of every penalty.
func (l *ladder) evaluate(ctx context.Context) (points []onesot.Point, err error) {
	seen := map[string]bool{}
	for i, penalty := range l.p.Asked {
		if err := l.p.Stopped(ctx); err != nil {
			return nil, err
		}
		if err := l.load(i); err != nil {
			return nil, err
		}
		a := l.net.Predict([]float64{penalty})[0].Child // free logits: they know no other penalty
		l.children = append(l.children, a)
		if note := l.net.PruneNote(); note != "" {
			l.notes = append(l.notes, fmt.Sprintf("penalty %g: %s", penalty, note))
		}
		if !seen[a.Key()] {
			seen[a.Key()] = true
			points = append(points, l.judge.Child(a, penalty))
		}
		l.p.Options.Evaluated("children", i+1, len(l.p.Asked))
	}
	onesot.MarkFront(points)
	return points, nil
}

// judgeOf gives the judge of the net whose own child's cost is nearest to that of a. The next call may put another net
// in its place.
func (l *ladder) judgeOf(_ context.Context, a quant.Assignment) (*onesot.Judge, error) {
	return l.judge, l.load(nearest(l.p.Cost, l.children, a))
}

// nearest is the first of the children that is a itself, else the first whose cost is nearest.
func nearest(cost *quant.CostTable, children []quant.Assignment, a quant.Assignment) int {
	best, least := 0, math.Inf(1)
	for i, own := range children {
		if own.Equal(a) {
			return i
		}
		if d := math.Abs(cost.Cost(own) - cost.Cost(a)); d < least {
			best, least = i, d
		}
	}
	return best
}

func (l *ladder) free() {
	if l.net != nil {
		l.judge.Free()
		l.net.Free()
	}
}
