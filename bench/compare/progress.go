package compare

import (
	"fmt"
	"io"
	"time"

	"vimps-gpu/onesot"
)

// progress says which unit is being done and how long the rest may take.
type progress struct {
	w      io.Writer
	ahead  map[string]int // units of each class that are not done
	done   int            // of this process or before
	took   map[string]time.Duration
	timed  map[string]int // units of each class that this process has done
	began  time.Time      // of the unit under way
	spoken time.Time      // of the last line within a unit
}

// between is how long a unit says nothing.
const between = 20 * time.Second

func newProgress(w io.Writer, ahead map[string]int) *progress {
	return &progress{w: w, ahead: ahead, took: map[string]time.Duration{}, timed: map[string]int{}}
}

// skip takes in a unit that was done before.
func (p *progress) skip(class string) {
	p.done++
	p.ahead[class] = max(0, p.ahead[class]-1)
}

// exactly corrects how many units of a class there are, none of which has been begun.
func (p *progress) exactly(class string, n int) { p.ahead[class] = n }

func (p *progress) begin(class, what string) {
	p.began, p.spoken = time.Now(), time.Now()
	total := p.done
	for _, n := range p.ahead {
		total += n
	}
	line := fmt.Sprintf("%d/%d  %s", p.done+1, max(total, p.done+1), what)
	if left := p.left(); left > 0 {
		line += fmt.Sprintf("  (about %v left)", left.Round(time.Second))
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) end(class string) {
	p.took[class] += time.Since(p.began)
	p.timed[class]++
	p.skip(class)
}

// left is the time for the units ahead by the mean of their class, of all units where none of the class has been done.
func (p *progress) left() (sum time.Duration) {
	var all time.Duration
	n := 0
	for class, t := range p.took {
		all += t
		n += p.timed[class]
	}
	if n == 0 {
		return 0
	}
	for class, ahead := range p.ahead {
		mean := all / time.Duration(n)
		if k := p.timed[class]; k > 0 {
			mean = p.took[class] / time.Duration(k)
		}
		sum += mean * time.Duration(ahead)
	}
	return sum
}

// step takes what a training tells.
func (p *progress) step(now onesot.Progress) {
	where := fmt.Sprintf("%s step %d of %d", now.Phase, now.Step, now.Steps)
	if now.Parts > 1 {
		where += fmt.Sprintf(", training %d of %d", now.Part+1, now.Parts)
	}
	p.within(where)
}

func (p *progress) evaluated(what string, done, of int) {
	p.within(fmt.Sprintf("%s %d of %d", what, done, of))
}

func (p *progress) within(where string) {
	if time.Since(p.spoken) < between {
		return
	}
	p.spoken = time.Now()
	fmt.Fprintf(p.w, "     %s\n", where)
}
