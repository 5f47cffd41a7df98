package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"vimps-gpu/onesot"
)

// progress shows a run: one line that changes on a terminal, else a line an epoch.
type progress struct {
	w     io.Writer
	file  *os.File // the terminal; nil elsewhere
	bar   *progressbar.ProgressBar
	phase onesot.Phase
	part  int
	drawn time.Time
}

// redraw is how often a line on a terminal changes.
const redraw = 200 * time.Millisecond

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.file = f
	}
	return p
}

// step takes what a training tells after each step.
func (p *progress) step(now onesot.Progress) {
	if now.Phase != p.phase || now.Part != p.part {
		p.finish()
		p.phase, p.part, p.drawn = now.Phase, now.Part, time.Time{}
	}
	if p.file == nil {
		if now.EpochEnd {
			fmt.Fprintln(p.w, p.line(now, now.Epoch, true))
		}
		return
	}
	if time.Since(p.drawn) < redraw && now.Step < now.Steps {
		return
	}
	p.drawn = time.Now()
	p.draw(now.Step, now.Steps, p.line(now, now.Terms, true), p.line(now, now.Terms, false))
}

// line says how far a training is, how fast, and where its loss and gates stand.
func (p *progress) line(now onesot.Progress, t onesot.Terms, long bool) string {
	perEpoch := now.Steps / now.Epochs
	phase := string(now.Phase)
	if now.Parts > 1 {
		phase += fmt.Sprintf(" %d/%d:", now.Part+1, now.Parts)
	}
	parts := []string{fmt.Sprintf("%s %d/%d", phase, (now.Step-1)/perEpoch+1, now.Epochs)}
	if each := time.Since(now.Began) / time.Duration(now.Step-now.First); each > 0 {
		left, speed := (each * time.Duration(now.Steps-now.Step)).Round(time.Second), float64(now.Images)/each.Seconds()
		parts = append(parts, fmt.Sprintf("%v left", left), fmt.Sprintf("%.0f images/s", speed))
	}
	if now.Metric == onesot.ByPSNR { // losses of a few hundredths
		parts = append(parts, fmt.Sprintf("loss %.5f", t.Total()))
	} else {
		parts = append(parts, fmt.Sprintf("loss %.3f", t.Total()))
	}
	if t.Expected > 0 && long {
		parts = append(parts, fmt.Sprintf("BOPs expected %.3f argmax %.3f", t.Expected, t.Argmax), fmt.Sprintf("gate entropy %.2f", t.Entropy))
	} else if t.Expected > 0 {
		parts = append(parts, fmt.Sprintf("BOPs %.2f/%.2f H %.1f", t.Expected, t.Argmax, t.Entropy))
	}
	if long {
		return strings.Join(parts, "  ")
	}
	return strings.Replace(strings.Join(parts, " "), " images/s", "/s", 1)
}

// child takes what is told after each child, episode or generation.
func (p *progress) child(what string, done, of int) {
	if p.file != nil {
		p.draw(done, of, what, what)
	} else if done == of {
		fmt.Fprintf(p.w, "%s: %d done\n", what, done)
	}
	if done == of {
		p.finish()
	}
}

// besideBar is the columns that percentage, bar and spaces take.
const besideBar = 17

// draw shows the longest of the texts that the terminal has room for, else the last cut short.
func (p *progress) draw(done, of int, texts ...string) {
	if p.bar == nil {
		p.bar = progressbar.NewOptions(of, progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(6),
			progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
			progressbar.OptionShowDescriptionAtLineEnd(), progressbar.OptionUseANSICodes(true),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "#", SaucerPadding: ".", BarStart: "[", BarEnd: "]"}))
	}
	room := 80
	if width, _, err := term.GetSize(int(p.file.Fd())); err == nil {
		room = max(0, width-besideBar)
	}
	text := texts[len(texts)-1]
	for _, t := range texts {
		if len(t) <= room {
			text = t
			break
		}
	}
	p.bar.Describe(text[:min(len(text), room)])
	p.bar.Set(done)
}

// finish ends the line that changes.
func (p *progress) finish() {
	if p.bar != nil {
		p.bar.Exit()
		fmt.Fprintln(p.w)
		p.bar = nil
	}
}
