package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/atomicfile"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

func pickCommand() *cli.Command {
	return &cli.Command{
		Name:  "pick",
		Usage: "choose a child by budget",
		Description: describe("Takes, of all children that keep every budget given, the one most accurate on the validation split.\n"+
			"A budget is never exceeded; if nothing fits it says so, names the nearest child and exits with 3.",
			"vimps-gpu pick --run runs/r20 --max-bops 0.25",
			"vimps-gpu pick --run runs/r20 --max-bops 650M --max-size 200KB --max-drop 1 --save child.json",
			"vimps-gpu pick --run runs/r20 --budget bops=0.25 --budget memory=64K --budget latency:latency.csv=1.5ms"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "run", Usage: "`PATH` of a run directory or of a front.json"},
			budgetFlag(),
			&cli.StringFlag{Name: "max-bops", Usage: "bit operations: a share of the all-maximum child's (0.25) or a count (650M)"},
			&cli.StringFlag{Name: "max-size", Usage: "bytes: 200KB, 1.5MB, 200KiB"},
			&cli.Float64Flag{Name: "max-drop", Usage: "percentage points of validation accuracy, or dB of PSNR, below fp32"},
			&cli.StringFlag{Name: "save", Usage: "write the child's bits to `FILE`.json, as eval --assignment reads them"},
			jsonFlag(),
		},
		Action: pick,
	}
}

// picked is a pick as JSON; where nothing fits, the choice is the nearest.
type picked struct {
	Fits bool `json:"fits"`
	onesot.Choice
	Least []onesot.Use `json:"least,omitempty"` // where nothing fits: what any child takes at least, each bound for itself
}

func pick(c *cli.Context) error {
	budget, err := budgetFromFlags(c)
	if err != nil {
		return err
	}
	front, err := readFront(c.String("run"))
	if err != nil {
		return err
	}
	if err := addBounds(c, front, &budget); err != nil {
		return err
	}
	choice, err := front.Pick(budget)
	var infeasible *onesot.InfeasibleError
	if err != nil && !errors.As(err, &infeasible) {
		return err
	}
	if infeasible != nil {
		if c.Bool("json") {
			return errors.Join(writeJSON(c.App.Writer, picked{false, infeasible.Nearest, infeasible.Least}), err)
		}
		return err
	}
	if path := c.String("save"); path != "" {
		if err := saveAssignment(path, choice.Point.Assignment); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, picked{true, choice, nil})
	}
	return printChoice(c.App.Writer, front, choice, c.String("save"))
}

func budgetFromFlags(c *cli.Context) (onesot.Budget, error) {
	var b onesot.Budget
	if !c.IsSet("run") {
		return b, usagef("pick: say which run by --run DIR")
	}
	if !c.IsSet("max-bops") && !c.IsSet("max-size") && !c.IsSet("max-drop") && !c.IsSet("budget") {
		return b, usagef("pick: give a budget: --budget, --max-bops, --max-size or --max-drop, any of them together")
	}
	if c.IsSet("max-bops") {
		limit, err := onesot.ParseBOPs(c.String("max-bops"))
		if err != nil {
			return b, asUsage(wrapFlag("max-bops", err))
		}
		b.MaxBOPs = &limit
	}
	if c.IsSet("max-size") {
		size, err := onesot.ParseSize(c.String("max-size"))
		if err != nil {
			return b, asUsage(wrapFlag("max-size", err))
		}
		b.MaxSize = &size
	}
	if c.IsSet("max-drop") {
		drop := c.Float64("max-drop")
		if !(drop >= 0 && drop <= 100) {
			return b, usagef("--max-drop %g: want 0 to 100 percentage points or dB", drop)
		}
		b.MaxDrop = &drop
	}
	return b, nil
}

func budgetFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "budget", Usage: "`NAME=VALUE`, may stand often, all are kept: bops=0.25, size=200K, memory=64K (peak of activations), drop=1, a cost that\n" +
		"the run was searched by (latency=1.5ms), or one by its table (latency:FILE.csv=1.5ms)"}
}

// addBounds adds what --budget says of a front's children.
func addBounds(c *cli.Context, f *onesot.Front, b *onesot.Budget) error {
	more, err := f.Budget(c.StringSlice("budget"))
	if err != nil {
		return asUsage(wrapFlag("budget", err))
	}
	for _, twice := range []struct {
		name string
		both bool
	}{{"bops", b.MaxBOPs != nil && more.MaxBOPs != nil}, {"size", b.MaxSize != nil && more.MaxSize != nil}, {"drop", b.MaxDrop != nil && more.MaxDrop != nil}} {
		if twice.both {
			return usagef("--budget %s=: --max-%s bounds it already", twice.name, twice.name)
		}
	}
	if more.MaxBOPs == nil {
		more.MaxBOPs = b.MaxBOPs
	}
	if more.MaxSize == nil {
		more.MaxSize = b.MaxSize
	}
	if more.MaxDrop == nil {
		more.MaxDrop = b.MaxDrop
	}
	*b = more
	return nil
}

// pickPoint is the child of a front that keeps --budget, which is all that bounds it, and says on standard error which it is.
func pickPoint(c *cli.Context, f *onesot.Front) (onesot.Point, error) {
	var b onesot.Budget
	if err := addBounds(c, f, &b); err != nil {
		return onesot.Point{}, err
	}
	choice, err := f.Pick(b)
	if err == nil {
		fmt.Fprintf(c.App.ErrWriter, "child: point %d of the front, relative BOPs %.4f\n", choice.Index, choice.Point.RelativeBOPs)
	}
	return choice.Point, err
}

// readFront reads a front.json, or the one in a run directory.
func readFront(path string) (*onesot.Front, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return onesot.ReadRunFront(path)
	}
	return onesot.ReadFront(path)
}

func saveAssignment(path string, a quant.Assignment) error {
	data, err := a.MarshalJSON()
	if err != nil {
		return err
	}
	err = atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
	if err != nil {
		return wrapFlag("save", err)
	}
	return nil
}

func printChoice(w io.Writer, f *onesot.Front, choice onesot.Choice, saved string) error {
	p := choice.Point
	fmt.Fprintf(w, "point %d of %s: %s on %s, found at eta %.4g\n", choice.Index, f.Method, f.Model, f.Data, p.Eta)
	fmt.Fprintf(w, "%s: %s\n", p.Metric.Name(), valAndTest(p.Accuracy()))
	fmt.Fprintf(w, "costs: %s BOPs (%.4f of the all-maximum child's), %s", onesot.HumanCount(p.BOPs), p.RelativeBOPs, humanBytes(p.SizeBytes))
	if p.MemoryBytes > 0 {
		fmt.Fprintf(w, ", activations %s", humanBytes(p.MemoryBytes))
	}
	if f.Cost.Name != "bops" {
		fmt.Fprintf(w, ", %s %.4g %s", f.Cost.Name, p.Cost, f.Cost.Unit)
	}
	fmt.Fprintln(w)
	for _, u := range choice.Uses {
		fmt.Fprintln(w, u)
	}
	if err := table(w, bitRows(p.Assignment)); err != nil {
		return err
	}
	if saved != "" {
		fmt.Fprintf(w, "wrote %s\n", filepath.Clean(saved))
	}
	return nil
}

// bitRows lists the bits of every layer.
func bitRows(a quant.Assignment) [][]string {
	rows := [][]string{{"layer", "weight bits", "input bits"}}
	for k := range a.Len() {
		w, x := a.Bits(k)
		rows = append(rows, []string{a.Name(k), fmt.Sprint(w), fmt.Sprint(x)})
	}
	return rows
}
