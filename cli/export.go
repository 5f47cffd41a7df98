package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"vimps-gpu/nn/atomicfile"
	"vimps-gpu/nn/onnx"
	"vimps-gpu/nn/weights"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// The formats of export that are not ONNX.
const (
	formatSafetensors = "safetensors"
	formatJSON        = "json"
)

func exportFormats() []string {
	var names []string
	for _, f := range onnx.Formats() {
		names = append(names, string(f))
	}
	return append(names, formatSafetensors, formatJSON)
}

func exportCommand() *cli.Command {
	flags := append([]cli.Flag{
		&cli.StringFlag{Name: "run", Usage: "run `DIR`ectory of a search or a fine-tuning"},
		&cli.StringFlag{Name: "format", Value: string(onnx.QDQ), Usage: strings.Join(exportFormats(), ", ")},
		&cli.StringFlag{Name: "out", Usage: "`FILE` to write"},
		&cli.StringFlag{Name: "data", Usage: "the images, where they have moved", DefaultText: "those of --run"},
		jsonFlag(),
	}, childFlags()...)
	return &cli.Command{
		Name:  "export",
		Usage: "write one child as a file that runs elsewhere",
		Description: describe("Folds batch norm, with the statistics that eval uses, into scales and biases and writes integer codes. Of a fine-tuning the child\n"+
			"is the one that was tuned. onnx is QuantizeLinear/DequantizeLinear at 2, 4 and 8 bits; onnx-exact sums integers, the same bits in\n"+
			"every runtime; onnx-int8 has 8-bit types only, for older runtimes; safetensors are packed codes and scales; json is the bits alone.\n"+
			"The file appears whole or not at all. Check it by: vimps-gpu verify",
			"vimps-gpu export --run runs/r20 --point 3 --out r20.onnx",
			"vimps-gpu export --run runs/r20-finetune --format onnx-exact --out r20-exact.onnx"),
		Flags:  append(flags, deviceFlags()...),
		Action: export,
	}
}

// exported is what export wrote, as JSON.
type exported struct {
	File       string           `json:"file"`
	Format     string           `json:"format"`
	Bytes      int64            `json:"bytes"`
	Promised   float64          `json:"cost_table_bytes,omitempty"`  // of the codes, scales and biases
	Padding    int64            `json:"wider_types_bytes,omitempty"` // of codes that have no type of just their bits
	Opset      int64            `json:"opset,omitempty"`
	Runtime    string           `json:"least_onnxruntime,omitempty"`
	Assignment quant.Assignment `json:"bits"`
}

func export(c *cli.Context) error {
	format := c.String("format")
	if !slices.Contains(exportFormats(), format) {
		return usagef("--format %q: want one of %s", format, strings.Join(exportFormats(), ", "))
	}
	if !c.IsSet("run") || !c.IsSet("out") {
		return usagef("export: say which run by --run DIR and what to write by --out FILE")
	}
	s, child, err := openChild(c)
	if err != nil {
		return err
	}
	defer s.close()
	e := exported{File: c.String("out"), Format: format, Assignment: child}
	if format == formatJSON {
		err = writeAssignment(e.File, child)
	} else {
		err = s.exportNet(c, child, &e)
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(e.File)
	if err != nil {
		return wrapFlag("out", err)
	}
	e.Bytes = info.Size()
	if c.Bool("json") {
		return writeJSON(c.App.Writer, e)
	}
	e.print(c.App.Writer)
	return nil
}

func (e exported) print(w io.Writer) {
	fmt.Fprintf(w, "wrote %s: %d bytes", e.File, e.Bytes)
	if e.Promised > 0 {
		fmt.Fprintf(w, " (codes, scales and biases %.0f, as the size cost says; ", e.Promised)
		if e.Padding > 0 {
			fmt.Fprintf(w, "%d more as the format has no types of just so many bits; ", e.Padding)
		}
		fmt.Fprintf(w, "names and structure %.0f)", float64(e.Bytes-e.Padding)-e.Promised)
	}
	fmt.Fprintln(w)
	if e.Opset > 0 {
		fmt.Fprintf(w, "needs opset %d: onnxruntime %s or later\n", e.Opset, e.Runtime)
	}
}

// openChild opens the run that --run names and finds the child that the flags name; of a fine-tuning none need be named.
func openChild(c *cli.Context) (*session, quant.Assignment, error) {
	asked := 0
	for _, f := range childFlags() {
		if c.IsSet(f.Names()[0]) {
			asked++
		}
	}
	if asked > 1 {
		return nil, quant.Assignment{}, oneChild(c)
	}
	s, err := viewTrained(c)
	if err != nil {
		return nil, quant.Assignment{}, err
	}
	var a quant.Assignment
	switch {
	case asked == 1:
		a, _, err = s.child(c)
	case s.system.Name() == onesot.FineTuneName:
		a = s.search.Found.Points[0].Assignment
	default:
		err = oneChild(c)
	}
	if err != nil {
		s.close()
		return nil, a, err
	}
	return s, a, nil
}

// deployed is the child's net as it is deployed.
func (s *session) deployed(c *cli.Context, child quant.Assignment) (*onesot.Quantized, error) {
	judge, err := s.search.Found.Judge(c.Context, child)
	if err != nil {
		return nil, err
	}
	return judge.Deploy(child)
}

func (s *session) exportNet(c *cli.Context, a quant.Assignment, e *exported) error {
	net, err := s.deployed(c, a)
	if err != nil {
		return err
	}
	defer net.Free()
	child, err := onnx.TakeChild(net.Params)
	if err != nil {
		return err
	}
	e.Promised = quant.SizeBytes(net.Space).Cost(a)
	if child.Metadata, err = s.fileMetadata(a); err != nil {
		return err
	}
	if e.Format == formatSafetensors {
		tensors, metadata, err := child.Packed()
		if err != nil {
			return err
		}
		return weights.WriteFile(e.File, tensors, metadata)
	}
	format := onnx.Format(e.Format)
	needs := child.Needs(format)
	e.Opset, e.Runtime, e.Padding = needs.Opset, needs.ONNXRuntime, child.Padding(format)
	m, err := onnx.Export(child, format)
	if err != nil {
		return err
	}
	return m.Write(e.File)
}

// fileMetadata is what a file says of where it came from and of what it is fed with.
func (s *session) fileMetadata(a quant.Assignment) (map[string]string, error) {
	bits, err := json.Marshal(a)
	if err != nil {
		return nil, err
	}
	normal, err := json.Marshal(struct {
		Mean []float32 `json:"mean"`
		Std  []float32 `json:"std"`
	}{s.set.Mean, s.set.Std})
	if err != nil {
		return nil, err
	}
	config := s.run.Config
	reader, _, _ := strings.Cut(config.Data, ":") // not where it lies on this machine
	return map[string]string{
		"vimps-gpu.data":    reader,
		"vimps-gpu.version": Version, "vimps-gpu.model": filepath.Base(config.Model), "vimps-gpu.data_sha256": config.DataHash,
		"vimps-gpu.bits": string(bits), "vimps-gpu.input": "(pixel/255 - mean) / std of each channel, NCHW",
		"vimps-gpu.normalisation": string(normal),
	}, nil
}

func writeAssignment(path string, a quant.Assignment) error {
	data, err := a.MarshalJSON()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	})
}
