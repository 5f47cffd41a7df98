package report

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"vimps-gpu/onesot"
)

//go:embed page.html
var pageText string

// page is what page.html shows.
type page struct {
	Report   *Report
	Pictures []pagePicture
	Children []pageChild
	Colours  []bitColour

	Explore    explore
	Script     template.JS
	ScriptHash template.HTMLAttr
}

type pagePicture struct {
	picture
	Source template.URL
}

type bitColour struct {
	Bits       int
	Fill, Text template.CSS
}

type pageChild struct {
	Number int
	onesot.Point
	RelativeCost  float64
	Weight, Input []pageBits
}

type pageBits struct {
	Layer string
	Bits  int
}

// writePage fills the template. Names from files are escaped by html/template.
func (r *Report) writePage(w io.Writer, pictures []picture) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"short": func(v float64) string { return fmt.Sprintf("%.4g", v) },
		"count": onesot.HumanCount,
	}).Parse(pageText)
	if err != nil {
		return err
	}
	content := page{Report: r, Explore: r.explore(), Script: script(), ScriptHash: template.HTMLAttr(exploreHash())}
	for _, p := range pictures {
		// Safe as a URL: nothing but our own PNG in base64.
		source := template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(p.PNG))
		content.Pictures = append(content.Pictures, pagePicture{p, source})
	}
	for b := 1; b < len(bitColours); b++ {
		text := template.CSS("#000")
		if b >= 6 {
			text = "#fff"
		}
		content.Colours = append(content.Colours, bitColour{b, template.CSS(fmt.Sprintf("#%06x", bitColours[b])), text})
	}
	for i, p := range r.Front.Points {
		content.Children = append(content.Children, r.pageChild(i, p))
	}
	return t.Execute(w, content)
}

func (r *Report) pageChild(number int, p onesot.Point) pageChild {
	child := pageChild{Number: number, Point: p, RelativeCost: p.Cost / r.Front.Cost.Max}
	for k := range p.Assignment.Len() {
		w, x := p.Assignment.Bits(k)
		child.Weight = append(child.Weight, pageBits{p.Assignment.Name(k), w})
		child.Input = append(child.Input, pageBits{p.Assignment.Name(k), x})
	}
	return child
}
