// Package report shows what a search found: pictures as PNG files, and one HTML
// file that holds them, the table of children and every setting, with no outside
// references, so that it can be mailed or opened years later.
package report

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"

	"vimps-gpu/nn/atomicfile"
	"vimps-gpu/onesot"
	"vimps-gpu/quant"
)

// Report is everything that the pictures and the page are made from. Front and
// Space are needed; a picture whose data is missing is left out.
type Report struct {
	Title     string
	Dir       string // of the run, for the commands that the page shows
	Front     *onesot.Front
	Baselines []Baseline
	Space     *quant.Space
	Etas      []float64          // of the sweep, ascending
	Children  []quant.Assignment // the argmax child at each eta, duplicates kept
	Pi        [][][]float32      // [eta][gate of Space.Gates()][candidate]
	Metrics   []MetricRow        // in the order of training
	Summary   [][2]string        // what one wants to know first: time, memory, machine
	Settings  [][2]string        // every flag and its value
}

// Baseline is a set of other children to compare the front with, such as uniform
// bits or random assignments.
type Baseline struct {
	Name   string
	Points []onesot.Point
	Labels []string // one a point, drawn beside it; nil for none
}

// MetricRow is the state of training at the end of an epoch, or at any other time.
type MetricRow struct {
	Epoch        float64 // may be a fraction
	Loss         float64 // the whole objective
	Task         float64 // cross-entropy, nats
	Hardware     float64 // eta x expected cost
	Prior        float64 // -lambda H, or lambda KL
	Similarity   float64 // mu x kernel similarity loss
	Entropy      float64 // nats, mean over gates
	ExpectedCost float64 // relative, mean over the etas drawn
	ArgmaxCost   float64 // relative, of the argmax children at these etas
}

// picture is one PNG file and what the page says about it.
type picture struct {
	File    string
	Heading string
	Caption string
	PNG     []byte
}

// Write draws the pictures and the page into dir, which must exist, replacing
// what an earlier run left there. It returns the names of the files. A slice
// whose length does not fit the others is a programmer's mistake and panics.
func (r *Report) Write(dir string) (files []string, err error) {
	r.mustFit()
	pictures, err := r.pictures()
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	var page bytes.Buffer
	if err := r.writePage(&page, pictures); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	pictures = append(pictures, picture{File: "report.html", PNG: page.Bytes()})
	for _, p := range pictures {
		path := filepath.Join(dir, p.File)
		err := atomicfile.Write(path, func(w io.Writer) error {
			_, err := w.Write(p.PNG)
			return err
		})
		if err != nil {
			return files, fmt.Errorf("report: %w", err)
		}
		files = append(files, path)
	}
	return files, nil
}

func (r *Report) pictures() ([]picture, error) {
	all := []struct {
		wanted bool
		draw   func() (picture, error)
	}{
		{len(r.Front.Points) > 0, r.frontPicture},
		{len(r.Children) > 0, r.bitsPicture},
		{len(r.Pi) > 0, r.piPicture},
		{len(r.Metrics) > 1, r.trainingPicture},
	}
	var pictures []picture
	for _, p := range all {
		if !p.wanted {
			continue
		}
		drawn, err := p.draw()
		if err != nil {
			return nil, err
		}
		pictures = append(pictures, drawn)
	}
	return pictures, nil
}

func (r *Report) mustFit() {
	if n := len(r.Children); n > 0 && n != len(r.Etas) {
		panic(fmt.Sprintf("report.Write: %d children for %d etas", n, len(r.Etas)))
	}
	for _, a := range r.Children {
		if a.Len() != len(r.Space.Layers) {
			panic(fmt.Sprintf("report.Write: a child of %d layers, a space of %d", a.Len(), len(r.Space.Layers)))
		}
	}
	if n := len(r.Pi); n > 0 && n != len(r.Etas) {
		panic(fmt.Sprintf("report.Write: pi at %d etas, want %d", n, len(r.Etas)))
	}
	for _, pi := range r.Pi {
		if gates := len(r.Space.Gates()); len(pi) != gates {
			panic(fmt.Sprintf("report.Write: pi of %d gates, the space has %d", len(pi), gates))
		}
	}
	for _, b := range r.Baselines {
		if b.Labels != nil && len(b.Labels) != len(b.Points) {
			panic(fmt.Sprintf("report.Write: %s: %d labels for %d points", b.Name, len(b.Labels), len(b.Points)))
		}
	}
}
