package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/cuda"
	"vimps-gpu/cuda/job"
	"vimps-gpu/onesot"
)

// finetunePoints fine-tunes several children of a run, each into a run directory of its own below --out; the processes of a job share
// them out, child i to process i modulo their number. A child whose directory holds a run goes on with that.
func finetunePoints(c *cli.Context) error {
	if !c.IsSet("run") {
		return usagef("finetune: say which run by --run DIR")
	}
	for _, f := range childFlags() {
		if name := f.Names()[0]; c.IsSet(name) {
			return usagef("--points names the children; leave --%s out", name)
		}
	}
	front, err := onesot.ReadRunFront(c.String("run"))
	if err != nil {
		return err
	}
	points, err := parsePoints(c.String("points"), front)
	if err != nil {
		return err
	}
	out := c.String("out")
	if out == "" {
		out = filepath.Clean(c.String("run")) + "-finetune"
	}
	w := worldOf(c)
	w.Advise("go on by the same command")
	o := cuda.Options{Device: c.String("device"), Threads: c.Int("threads")}
	if w.Size() > 1 {
		if err := localDevice(w, &o); err != nil {
			return err
		}
	}
	for i, n := range points {
		if i%w.Size() != w.Rank() {
			continue
		}
		fmt.Fprintf(c.App.ErrWriter, "child %d of %d: point %d\n", i+1, len(points), n)
		args := append([]string{c.App.Name, "finetune"}, pointFlags(c, pointDir(out, n), n, o)...)
		if err := App(io.Discard, c.App.ErrWriter).RunContext(withWorld(c.Context, job.Alone()), args); err != nil {
			if errors.Is(err, onesot.ErrInterrupted) {
				return fmt.Errorf("%w; the same command goes on", onesot.ErrInterrupted)
			}
			return fmt.Errorf("point %d: %w", n, err)
		}
	}
	w.Any(false) // all have ended
	return printPoints(c, front, points, out)
}

func pointDir(out string, n int) string { return filepath.Join(out, fmt.Sprintf("point-%d", n)) }

// parsePoints reads numbers of a front's points such as 0,3,7; "front" is all that no other beats.
func parsePoints(text string, front *onesot.Front) (points []int, err error) {
	seen := map[int]bool{}
	add := func(n int) {
		if !seen[n] {
			seen[n] = true
			points = append(points, n)
		}
	}
	if text == "front" {
		for n, p := range front.Points {
			if p.OnFront {
				add(n)
			}
		}
		return points, nil
	}
	for _, field := range strings.Split(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 0 || n >= len(front.Points) {
			return nil, usagef("--points: %q is no point of the front, which has 0 to %d; write a list such as 0,3,7, or front", field, len(front.Points)-1)
		}
		add(n)
	}
	return points, nil
}

// pointFlags are the command's own flags for one of its children.
func pointFlags(c *cli.Context, dir string, n int, o cuda.Options) []string {
	args := []string{"--out", dir, "--device", o.Device}
	if o.Threads > 0 {
		args = append(args, "--threads", strconv.Itoa(o.Threads))
	}
	_, err := os.Stat(filepath.Join(dir, "run.json"))
	begun := err == nil
	if begun {
		args = append(args, "--resume")
	} else {
		args = append(args, "--point", strconv.Itoa(n))
	}
	for _, f := range c.Command.Flags {
		name := f.Names()[0]
		switch {
		case !c.IsSet(name), name == "points", name == "out", name == "resume", name == "json", name == "device", name == "threads":
		case begun && (name == "run" || name == "from"): // the run knows
		default:
			args = append(args, fmt.Sprintf("--%s=%v", name, c.Value(name)))
		}
	}
	return args
}

// tunedPoint is a child before and after its fine-tuning.
type tunedPoint struct {
	Number int          `json:"number"`
	Dir    string       `json:"run"`
	Before onesot.Point `json:"before"`
	After  onesot.Point `json:"after"`
}

// printPoints tells what the fine-tunings came to.
func printPoints(c *cli.Context, front *onesot.Front, points []int, out string) error {
	if worldOf(c).Rank() > 0 {
		return nil
	}
	var tuned []tunedPoint
	for _, n := range points {
		f, err := onesot.ReadRunFront(pointDir(out, n))
		if err != nil {
			return err
		}
		tuned = append(tuned, tunedPoint{n, pointDir(out, n), front.Points[n], f.Points[0]})
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, tuned)
	}
	rows := [][]string{{"point", "rel. BOPs", "before", "after", "run"}}
	for _, t := range tuned {
		rows = append(rows, []string{strconv.Itoa(t.Number), fmt.Sprintf("%.4f", t.After.RelativeBOPs), valAndTest(t.Before.Accuracy()), valAndTest(t.After.Accuracy()), t.Dir})
	}
	return table(c.App.Writer, rows)
}
