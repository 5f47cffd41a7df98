package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/urfave/cli/v2"

	"vimps-gpu/bench"
	"vimps-gpu/cuda"
	"vimps-gpu/nn"
	"vimps-gpu/nn/data"
	"vimps-gpu/onesot/method/oneshot"
)

func benchLoaderCommand() *cli.Command {
	return &cli.Command{
		Name:  "loader",
		Usage: "time how fast a data set's images come, beside the step that reads them",
		Description: describe("Times batches of training and of test images on all cores, as training and evaluation take them. With --model it\n"+
			"times fp32 training steps of that net too: on images that are there, and on the loader's.",
			"vimps-gpu bench loader --data pack:imagenet.pack --model resnet18 --batch 128", "vimps-gpu bench loader --data folder:DIR,size=224"),
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "data", Usage: "data set, see vimps-gpu data", Required: true},
			&cli.StringFlag{Name: "model", Usage: "net to time beside the loader, see vimps-gpu models", DefaultText: "the loader alone"},
			&cli.IntFlag{Name: "batch", Usage: "images a batch", Value: 128},
			&cli.Float64Flag{Name: "seconds", Usage: "length of each measurement", Value: 3},
			jsonFlag(),
		}, deviceFlags()...),
		Action: benchLoader,
	}
}

func benchLoader(c *cli.Context) error {
	seconds := c.Float64("seconds")
	if !(seconds > 0 && seconds <= 3600) {
		return usagef("--seconds %g: want more than 0, at most 3600", seconds)
	}
	settings := defaultConfig(oneshot.New(), c.String("model")).Settings
	settings.Batch, settings.MicroBatches = c.Int("batch"), 1
	if err := settings.Check(); err != nil {
		return asUsage(err)
	}
	set, err := data.Open(c.String("data"))
	if err != nil {
		return err
	}
	dev, err := openDevice(c, c.App.ErrWriter)
	if err != nil {
		return err
	}
	defer dev.Close()
	var r *bench.LoaderReport
	err = cuda.Guard(func() (err error) {
		r, err = bench.Loader(dev, set, bench.LoaderOptions{Model: c.String("model"), Settings: settings,
			Augment: nn.Augment{Flip: true}, Least: time.Duration(seconds * float64(time.Second))})
		return err
	})
	if err != nil {
		return asFlagError(err)
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, r)
	}
	return printLoader(c.App.Writer, r)
}

func printLoader(w io.Writer, r *bench.LoaderReport) error {
	fmt.Fprintf(w, "%s, batches of %d, %s\n", r.Data, r.Batch, countOf(r.CPUs, "CPU"))
	row := func(what string, rate, core float64) []string {
		return []string{what, fmt.Sprintf("%.0f", rate), fmt.Sprintf("%.0f", core)}
	}
	rows := [][]string{{"what", "images/s", "a second of one core"}, row("loader, training images", r.Train, r.TrainCore), row("loader, test images", r.Test, r.TestCore)}
	if r.Step > 0 {
		rows = append(rows, []string{r.Model + " fp32 step alone", fmt.Sprintf("%.1f", r.Step), ""})
	}
	if r.Both > 0 {
		rows = append(rows, []string{r.Model + " fp32 step with the loader", fmt.Sprintf("%.1f", r.Both), ""})
	}
	return table(w, rows)
}
