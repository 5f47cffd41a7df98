package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"html"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vimps-gpu/onesot"
	"vimps-gpu/onesot/report/chart"
	"vimps-gpu/quant"
)

// To look at what this writes: go test -run Write -artifacts -outputdir DIR
func TestWrite(t *testing.T) {
	for name, r := range map[string]*Report{"resnet20": madeUp(t, 18, 20), "digits": madeUp(t, 5, 40)} {
		t.Run(name, func(t *testing.T) {
			dir := t.ArtifactDir()
			files, err := r.Write(dir)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"front.png", "bits.png", "pi.png", "training.png", "report.html"}
			if len(files) != len(want) {
				t.Fatalf("files %v, want %v", files, want)
			}
			for i, f := range files {
				if filepath.Base(f) != want[i] {
					t.Errorf("file %d is %s, want %s", i, f, want[i])
				}
			}
		})
	}
}

func writtenPage(t *testing.T, r *Report) string {
	t.Helper()
	dir := t.TempDir()
	if _, err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestPageIsSelfContained(t *testing.T) {
	r := madeUp(t, 5, 12)
	r.Title = `a <script src="http://x">`
	text := writtenPage(t, r)
	images := 0
	for _, m := range regexp.MustCompile(`(?:src|href|srcset|url)\s*[=(]\s*"?([^"\s)>]*)`).FindAllStringSubmatch(text, -1) {
		encoded, isPNG := strings.CutPrefix(m[1], "data:image/png;base64,")
		if !isPNG {
			if !strings.Contains(m[0], "&#34;") { // the escaped title
				t.Errorf("reference to outside: %.80s", m[0])
			}
			continue
		}
		data, err := base64.StdEncoding.DecodeString(html.UnescapeString(encoded))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := png.Decode(bytes.NewReader(data)); err != nil {
			t.Fatal(err)
		}
		images++
	}
	if images != 4 {
		t.Errorf("%d images, want 4", images)
	}
	if strings.Contains(text, "ZgotmplZ") {
		t.Error("html/template refused some text")
	}
	if n := strings.Count(text, "<script"); n != 2 {
		t.Errorf("%d scripts, want the data and ours", n)
	}
	sum := sha256.Sum256([]byte(text[strings.LastIndex(text, "<script>")+len("<script>") : strings.LastIndex(text, "</script>")]))
	if policy := "script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'\""; !strings.Contains(html.UnescapeString(text), policy) {
		t.Errorf("the page does not allow the script that it has: no %s", policy)
	}
}

func TestPageShowsEverything(t *testing.T) {
	r := madeUp(t, 5, 12)
	text := writtenPage(t, r)
	if got, want := strings.Count(text, `title="linear"`), 2*len(r.Front.Points); got != want {
		t.Errorf("bits of the last layer stand %d times, want %d", got, want)
	}
	for _, rows := range [][][2]string{r.Settings, r.Summary} {
		for _, row := range rows {
			if !strings.Contains(text, row[0]+"</th>") {
				t.Errorf("no row %q", row[0])
			}
		}
	}
	if !strings.Contains(text, "value &lt;xx&gt;") {
		t.Error("the value of a setting is missing or not escaped")
	}
}

func TestMissingDataLeavesPicturesOut(t *testing.T) {
	r := madeUp(t, 3, 1) // one eta, as VIMPS, EdMIPS and DNAS have
	r.Baselines, r.Front.FP32, r.Metrics = nil, nil, nil
	files, err := r.Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 {
		t.Errorf("files %v, want all but training.png", files)
	}
	r.Etas, r.Children, r.Pi = nil, nil, nil
	r.Metrics = []MetricRow{{Epoch: 1, Task: 1, Prior: math.NaN()}, {Epoch: 2, Task: math.Inf(1), Prior: math.NaN()}}
	files, err = r.Write(t.TempDir())
	if err != nil || len(files) != 3 {
		t.Errorf("files %v, %v; want front, training and the page", files, err)
	}
}

func TestWriteNamesTheFileThatFails(t *testing.T) {
	_, err := madeUp(t, 3, 2).Write(filepath.Join(t.TempDir(), "absent"))
	if err == nil || !strings.Contains(err.Error(), filepath.Join("absent", "front.png")) {
		t.Errorf("error %v", err)
	}
}

func TestWrongShapesPanic(t *testing.T) {
	for name, spoil := range map[string]func(*Report){
		"children": func(r *Report) { r.Children = r.Children[1:] },
		"pi":       func(r *Report) { r.Pi = r.Pi[1:] },
		"gates":    func(r *Report) { r.Pi[2] = r.Pi[2][1:] },
		"labels":   func(r *Report) { r.Baselines[0].Labels = r.Baselines[0].Labels[1:] },
		"layers":   func(r *Report) { r.Children[1] = quant.Assignment{} },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			r := madeUp(t, 3, 4)
			spoil(r)
			if _, err := r.Write(t.TempDir()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The area of each colour in the picture must be the share of gates with these bits.
func TestBitsPictureShowsTheBits(t *testing.T) {
	r := madeUp(t, 8, 10)
	p, err := r.bitsPicture()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(p.PNG))
	if err != nil {
		t.Fatal(err)
	}
	want, pixels := map[int]float64{}, map[int]float64{}
	cells, total := 0.0, 0.0
	for _, a := range r.Children {
		for k := range a.Len() {
			w, x := a.Bits(k)
			want[w]++
			want[x]++
			cells += 2
		}
	}
	for b := range want {
		pixels[b] = countPixels(img, chart.RGB(bitColours[b]))
		total += pixels[b]
	}
	for b, n := range want {
		if got := pixels[b] / total; math.Abs(got-n/cells) > 0.01 {
			t.Errorf("%d bits: share of the picture %.3f, of the gates %.3f", b, got, n/cells)
		}
	}
}

func countPixels(img image.Image, c color.Color) (n float64) {
	r, g, b, _ := c.RGBA()
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y++ {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x++ {
			pr, pg, pb, _ := img.At(x, y).RGBA()
			if pr == r && pg == g && pb == b {
				n++
			}
		}
	}
	return n
}

func TestSameReportSameBytes(t *testing.T) {
	a, b := writtenPage(t, madeUp(t, 3, 5)), writtenPage(t, madeUp(t, 3, 5))
	if a != b {
		t.Error("two pages of one report differ")
	}
}

func TestLogTicks(t *testing.T) {
	var labels []string
	for _, tick := range (chart.LogTicks{}).Ticks(0.06, 1) {
		if tick.Label != "" && tick.Value >= 0.06 && tick.Value <= 1 {
			labels = append(labels, tick.Label)
		}
	}
	if got, want := strings.Join(labels, " "), "0.1 0.2 0.5 1"; got != want {
		t.Errorf("labels %q, want %q", got, want)
	}
}

func TestCustomCostHasItsColumn(t *testing.T) {
	r := madeUp(t, 3, 4)
	r.Front.Cost = onesot.CostInfo{Name: "latency", Unit: "ms", Definition: "measured", Max: r.Front.Cost.Max}
	r.Front.Points[len(r.Front.Points)-1].Cost = 0 // no logarithmic axis then
	if text := writtenPage(t, r); !strings.Contains(text, "latency,<br>ms</th>") {
		t.Error("no column for the latency")
	}
}
