package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/data"
	"vimps-gpu/nn/model"
)

func dataCommand() *cli.Command {
	return &cli.Command{
		Name:  "data",
		Usage: "list the kinds of data set, or check one",
		Description: describe("Without --data it lists what --data takes. With it, it reads the whole set, so that every file and every checksum of a\npack is checked, and prints counts, shapes, means and deviations.",
			"vimps-gpu data", "vimps-gpu data --data cifar10:DIR", "vimps-gpu data --data folder:DIR,size=224", "vimps-gpu data pack --data folder:DIR --size 256 --out FILE"),
		Flags:       []cli.Flag{&cli.StringFlag{Name: "data", Usage: "data set to check"}, jsonFlag()},
		Action:      checkData,
		Subcommands: []*cli.Command{dataPackCommand()},
	}
}

// checkedData is a data set as JSON.
type checkedData struct {
	Data    string       `json:"data"`
	Hash    string       `json:"sha256"`
	Image   imageShape   `json:"image"`
	Scale   int          `json:"scale,omitempty"` // of super-resolution
	Mean    []float32    `json:"mean"`            // of a channel, pixels as 0 to 1
	Std     []float32    `json:"std"`
	Train   int          `json:"train_images"`
	Test    int          `json:"test_images"`
	Classes []classCount `json:"classes"`
}

type classCount struct {
	Name  string `json:"name"`
	Train int    `json:"train"`
	Test  int    `json:"test"`
}

type readerInfo struct {
	Form    string       `json:"form"`
	Reads   string       `json:"reads"`
	Options []optionInfo `json:"options,omitempty"`
}

type optionInfo struct {
	Name  string `json:"name"`
	Means string `json:"means"`
}

func checkData(c *cli.Context) error {
	if !c.IsSet("data") {
		return listReaders(c)
	}
	set, err := data.Open(c.String("data"))
	if err != nil {
		return err
	}
	if err := set.Verify(); err != nil {
		return fmt.Errorf("data set %q: %w", set.Name, err)
	}
	out := checkedData{Data: set.Name, Scale: set.Scale, Hash: set.Hash, Mean: set.Mean, Std: set.Std, Train: set.Train.Len(), Test: set.Test.Len(), Classes: []classCount{},
		Image: imageShape(model.InputOf(set))}
	if set.Scale == 0 {
		train, test := set.Train.Counts(len(set.Classes)), set.Test.Counts(len(set.Classes))
		for k, name := range set.Classes {
			out.Classes = append(out.Classes, classCount{name, train[k], test[k]})
		}
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, out)
	}
	return printData(c.App.Writer, out)
}

func listReaders(c *cli.Context) error {
	var list []readerInfo
	for _, r := range data.Readers() {
		info := readerInfo{Form: r.Form, Reads: r.Reads}
		for _, o := range r.Options {
			info.Options = append(info.Options, optionInfo(o))
		}
		list = append(list, info)
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, struct {
			Readers []readerInfo `json:"readers"`
		}{list})
	}
	for _, r := range list {
		fmt.Fprintf(c.App.Writer, "%-12s %s\n", r.Form, r.Reads)
		for _, o := range r.Options {
			fmt.Fprintf(c.App.Writer, "%-12s   ,%s=  %s\n", "", o.Name, o.Means)
		}
	}
	return nil
}

func printData(w io.Writer, d checkedData) error {
	if d.Scale > 0 {
		_, err := fmt.Fprintf(w, "%s: %d training and %d test images to be made %d times larger, in patches of %dx%dx%d\nsha256 %s\n",
			d.Data, d.Train, d.Test, d.Scale, d.Image.H, d.Image.W, d.Image.C, d.Hash)
		return err
	}
	fmt.Fprintf(w, "%s: %d training and %d test images of %dx%dx%d in %d classes\n", d.Data, d.Train, d.Test, d.Image.H, d.Image.W, d.Image.C, d.Image.Classes)
	fmt.Fprintf(w, "mean %.4g, standard deviation %.4g (of each channel, pixels as 0 to 1)\n", d.Mean, d.Std)
	fmt.Fprintf(w, "sha256 %s\n", d.Hash)
	rows := [][]string{{"class", "train", "test"}}
	for _, k := range d.Classes {
		rows = append(rows, []string{k.Name, fmt.Sprint(k.Train), fmt.Sprint(k.Test)})
	}
	return table(w, rows)
}
