package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/report/chart"
)

//go:embed explore.js
var exploreScript string

// exploreHash is what the page's content security policy allows to run: explore.js and nothing else.
func exploreHash() string {
	sum := sha256.Sum256([]byte(exploreScript))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// explore is the data of explore.js.
type explore struct {
	Name      string          `json:"name"`
	Dir       string          `json:"dir"` // of the run, as one writes it in a shell
	Quality   string          `json:"quality"`
	Metric    onesot.Metric   `json:"metric,omitempty"`
	FP32      *exploreLevel   `json:"fp32,omitempty"`
	Layers    []string        `json:"layers"`
	Points    []explorePoint  `json:"points"`
	Baselines []exploreSeries `json:"baselines,omitempty"`
	Colours   []string        `json:"colours"`
}

// exploreLevel is a quality, in percent or dB, on both splits.
type exploreLevel struct {
	Val  float64 `json:"val"`
	Test float64 `json:"test"`
}

type exploreSeries struct {
	Name   string         `json:"name"`
	Layers []string       `json:"layers"`
	Points []explorePoint `json:"points"`
}

// explorePoint is a child: Cost is relative, Val and Test are in percent or dB.
type explorePoint struct {
	Number       int     `json:"n"`
	Label        string  `json:"label,omitempty"`
	Eta          float64 `json:"eta"`
	RelativeBOPs float64 `json:"relative_bops"`
	Size         float64 `json:"size"`
	Cost         float64 `json:"cost"`
	Val          float64 `json:"val"`
	Test         float64 `json:"test"`
	OnFront      bool    `json:"front"`
	Weight       []int   `json:"w"`
	Input        []int   `json:"a"`
}

func (r *Report) explore() explore {
	m := r.Front.Metric
	e := explore{Name: "this run", Dir: shellWord(r.Dir), Quality: m.Name() + ", " + m.Unit(), Metric: m}
	if f := r.Front.FP32; f != nil {
		e.FP32 = &exploreLevel{m.Scale() * f.Val, m.Scale() * f.Test}
	}
	for _, l := range r.Space.Layers {
		e.Layers = append(e.Layers, l.Name)
	}
	e.Points = r.explorePoints(r.Front.Points, nil)
	for _, b := range r.Baselines {
		e.Baselines = append(e.Baselines, exploreSeries{b.Name, e.Layers, r.explorePoints(b.Points, b.Labels)})
	}
	for _, c := range chart.Colours() {
		e.Colours = append(e.Colours, fmt.Sprintf("#%06x", c))
	}
	return e
}

func (r *Report) explorePoints(points []onesot.Point, labels []string) []explorePoint {
	var out []explorePoint
	for i, p := range points {
		q := explorePoint{Number: i, Eta: p.Eta, RelativeBOPs: p.RelativeBOPs, Size: p.SizeBytes, Cost: p.Cost / r.Front.Cost.Max,
			Val: p.Metric.Scale() * p.AccuracyVal, Test: p.Metric.Scale() * p.AccuracyTest, OnFront: p.OnFront}
		if labels != nil {
			q.Label = labels[i]
		}
		for k := range p.Assignment.Len() {
			w, x := p.Assignment.Bits(k)
			q.Weight, q.Input = append(q.Weight, w), append(q.Input, x)
		}
		out = append(out, q)
	}
	return out
}

// script is the page's own, which html/template is to leave as it is.
func script() template.JS { return template.JS(exploreScript) }

// shellWord quotes a word where a shell would not take it as it is.
func shellWord(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=,@", r))
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
