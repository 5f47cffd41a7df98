package data

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// wantError fails unless err is one line that holds all the parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", parts)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of several lines: %v", err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestOpenRefusesSpec(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, nil)
	for spec, parts := range map[string][]string{
		"":                    {`unknown reader ""`, "digits, cifar10:DIR, idx:DIR, folder:DIR"},
		"imagenet:/x":         {`unknown reader "imagenet"`, "cifar10:DIR"},
		"digits:/x":           {"write it as digits"},
		"digits:":             {"write it as digits"},
		"cifar10":             {"write it as cifar10:DIR"},
		"folder:":             {"write it as folder:DIR"},
		"idx:/no/such/folder": {"/no/such/folder", "no such file or directory"},
		"idx:" + file:         {file, "not a folder"},
	} {
		_, err := Open(spec)
		wantError(t, err, append(parts, spec)...)
	}
}

func TestReadersAreTheValidForms(t *testing.T) {
	for _, r := range Readers() {
		if r.Reads == "" || !strings.HasPrefix(r.Form, r.Name) {
			t.Errorf("reader %+v is not described", r)
		}
	}
}

func TestDigits(t *testing.T) {
	set, err := Open("digits")
	if err != nil {
		t.Fatal(err)
	}
	if got := []int{set.Train.Len(), set.Test.Len(), set.Train.H(), set.Train.W(), set.Train.C()}; !slices.Equal(got, []int{1442, 355, 8, 8, 1}) {
		t.Errorf("train, test, height, width, channels = %v", got)
	}
	// Class sizes of the UCI test part, as its description states them.
	sizes := []int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}
	train, test := set.Train.Counts(10), set.Test.Counts(10)
	for k, n := range sizes {
		if test[k] != n/5 || train[k] != n-n/5 {
			t.Errorf("class %d: %d train and %d test images of %d", k, train[k], test[k], n)
		}
	}
	// First line of the file: 0,0,5,13,9,1,... label 0.
	if got := set.Train.Image(0)[:6]; !slices.Equal(got, []uint8{0, 0, 80, 207, 143, 16}) || set.Train.Label(0) != 0 {
		t.Errorf("first image begins %v", got)
	}
	again, err := Open("digits")
	if err != nil || again.Hash != set.Hash || len(set.Hash) != 64 {
		t.Errorf("hash %q, then %q, %v", set.Hash, again.Hash, err)
	}
}

func TestHashSeesPixelLabelAndSplit(t *testing.T) {
	build := func(change func(*Set)) string {
		s := &Set{Train: newSplit([]uint8{1, 2, 3, 4}, 1, 2, 1, []int32{0, 1}), Test: newSplit([]uint8{5, 6}, 1, 2, 1, []int32{1})}
		change(s)
		s.complete()
		return s.Hash
	}
	seen := map[string]bool{}
	for _, change := range []func(*Set){
		func(*Set) {},
		func(s *Set) { s.Train.Pixels()[3] = 9 },
		func(s *Set) { s.Test.Labels[0] = 0 },
		func(s *Set) { s.Train, s.Test = s.Test, s.Train },
		func(s *Set) { s.Train = newSplit(s.Train.Pixels(), 2, 1, 1, s.Train.Labels) },
		func(s *Set) { s.Train = s.Train.Subset([]int{1, 0}) },
	} {
		seen[build(change)] = true
	}
	if len(seen) != 6 {
		t.Errorf("six different sets have %d hashes", len(seen))
	}
}

func TestParseDigitsRefuses(t *testing.T) {
	zeros := strings.Repeat("0,", 64)
	for text, parts := range map[string][]string{
		"":                                  {"no lines"},
		"1,2,3\n":                           {"line 1 has 3 values, want 65"},
		zeros + "3\n" + zeros + "10":        {"line 2, value 65", `"10"`, "0..9"},
		"17," + zeros[2:] + "3\n":           {"line 1, value 1", `"17"`, "0..16"},
		"-1," + zeros[2:] + "3\n":           {"line 1, value 1"},
		"x," + zeros[2:] + "3\n":            {"line 1, value 1"},
		strings.Repeat("0", 1<<17) + ",1\n": {"token too long"},
	} {
		_, err := parseDigits(strings.NewReader(text))
		wantError(t, err, parts...)
	}
}

func gzipped(t testing.TB, content []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func FuzzDigits(f *testing.F) {
	unzipped, err := gzip.NewReader(bytes.NewReader(digitsGz))
	if err != nil {
		f.Fatal(err)
	}
	all, err := io.ReadAll(unzipped)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(all[:1000])
	f.Add([]byte(strings.Repeat("16,", 64) + "9"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := parseDigits(bytes.NewReader(text))
		if err != nil {
			return
		}
		if s.Len() == 0 || s.H() != 8 || s.W() != 8 || s.C() != 1 || len(s.Pixels()) != 64*s.Len() {
			t.Errorf("%d images of %dx%dx%d in %d bytes", s.Len(), s.H(), s.W(), s.C(), len(s.Pixels()))
		}
		s.Counts(10) // panics on a label out of range
	})
}
