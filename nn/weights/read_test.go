package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"gorgonia.org/tensor"
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

// raw is a file of this header and these data.
func raw(header string, data ...byte) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), data...)
}

// file writes raw bytes and returns the path.
func file(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "w.safetensors")
	if err := os.WriteFile(path, content, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadEveryDType(t *testing.T) {
	// 1.5 and -2 in each float format; bytes written out by hand from IEEE 754.
	header := `{"f32":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},` +
		`"f64":{"dtype":"F64","shape":[2,1],"data_offsets":[8,24]},` +
		`"f16":{"dtype":"F16","shape":[2],"data_offsets":[24,28]},` +
		`"bf16":{"dtype":"BF16","shape":[2],"data_offsets":[28,32]},` +
		`"i64":{"dtype":"I64","shape":[],"data_offsets":[32,40]},` +
		`"__metadata__":{"format":"pt"},` +
		`"u8":{"dtype":"U8","shape":[1,3],"data_offsets":[44,47]},` +
		`"i32":{"dtype":"I32","shape":[1],"data_offsets":[40,44]}}  `
	f, err := ReadFile(file(t, raw(header,
		0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0,
		0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0,
		0x00, 0x3e, 0x00, 0xc0,
		0xc0, 0x3f, 0x00, 0xc0,
		0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xfd, 0xff, 0xff, 0xff,
		1, 2, 255)))
	if err != nil {
		t.Fatal(err)
	}
	for name, shape := range map[string][]int{"f32": {2}, "f64": {2, 1}, "f16": {2}, "bf16": {2}} {
		if got, err := f.Float32(name, shape...); err != nil || !slices.Equal(got, []float32{1.5, -2}) {
			t.Errorf("%s = %v, %v", name, got, err)
		}
	}
	if got, err := f.Int64("i64"); err != nil || !slices.Equal(got, []int64{-2}) {
		t.Errorf("i64 = %v, %v", got, err)
	}
	if got, err := f.Int32("i32", 1); err != nil || !slices.Equal(got, []int32{-3}) {
		t.Errorf("i32 = %v, %v", got, err)
	}
	if got, err := f.Uint8("u8", 1, 3); err != nil || !slices.Equal(got, []uint8{1, 2, 255}) {
		t.Errorf("u8 = %v, %v", got, err)
	}
	if f.Metadata["format"] != "pt" || len(f.Names()) != 7 {
		t.Errorf("metadata %v, names %v", f.Metadata, f.Names())
	}
}

// Every binary16 value, from the definition (-1)^s * 2^(e-15) * (1 + f/1024).
func TestHalf(t *testing.T) {
	for h := range 1 << 16 {
		s, e, f := h>>15, h>>10&31, float64(h&1023)
		want := math.Ldexp(1+f/1024, e-15)
		switch {
		case e == 0:
			want = math.Ldexp(f/1024, -14)
		case e == 31 && f == 0:
			want = math.Inf(1)
		case e == 31:
			want = math.NaN()
		}
		if s == 1 {
			want = math.Copysign(want, -1)
		}
		got := float64(half(uint16(h)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) || math.Signbit(got) != (s == 1) {
			t.Fatalf("half(%#04x) = %v, want %v", h, got, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	claim := func(n uint64) []byte { return append(binary.LittleEndian.AppendUint64(nil, n), "{}"...) }
	one := func(dtype, shape, offsets string, data int) []byte {
		return raw(fmt.Sprintf(`{"a.b":{"dtype":%q,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets), make([]byte, data)...)
	}
	two := func(begin, end, data int) []byte {
		return raw(fmt.Sprintf(`{"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"y":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}}`, end-begin, begin, end), make([]byte, data)...)
	}
	for name, c := range map[string]struct {
		content []byte
		parts   []string
	}{
		"empty":             {nil, []string{"0 bytes are too few"}},
		"seven bytes":       {make([]byte, 7), []string{"7 bytes are too few"}},
		"2^60":              {claim(1 << 60), []string{"claims 1152921504606846976 bytes", "holds 2"}},
		"2^64-1":            {claim(math.MaxUint64), []string{"claims 18446744073709551615"}},
		"longer than file":  {claim(3), []string{"claims 3 bytes", "holds 2"}},
		"no JSON":           {raw("hello"), []string{"not a JSON object"}},
		"array":             {raw("[1]"), []string{"not a JSON object"}},
		"cut JSON":          {raw(`{"a"`), []string{"header"}},
		"entry is text":     {raw(`{"a":"b"}`), []string{`tensor "a"`}},
		"two objects":       {raw(`{}{}`), []string{"something follows"}},
		"no offsets":        {raw(`{"a":{"dtype":"U8","shape":[]}}`, 0), []string{`tensor "a"`, "data_offsets"}},
		"null shape":        {one("U8", "null", "[0,1]", 1), []string{`tensor "a.b"`, "shape"}},
		"one offset":        {one("U8", "[1]", "[1]", 1), []string{"two data_offsets"}},
		"three offsets":     {one("U8", "[1]", "[0,1,1]", 1), []string{"two data_offsets"}},
		"fraction":          {one("U8", "[1.5]", "[0,1]", 1), []string{`tensor "a.b"`}},
		"dtype":             {one("F8_E4M3", "[1]", "[0,1]", 1), []string{`tensor "a.b"`, `"F8_E4M3"`, "F32"}},
		"negative":          {one("F32", "[-1,-1]", "[0,4]", 4), []string{"shape [-1 -1]"}},
		"no elements":       {one("F32", "[0]", "[0,0]", 0), []string{"shape [0]"}},
		"product overflows": {one("F32", "[4294967296,4294967296]", "[0,4]", 4), []string{"shape [4294967296 4294967296]"}},
		"bytes overflow":    {one("F32", "[4611686018427387904]", "[0,0]", 0), []string{"shape [4611686018427387904]"}},
		"wrong shape":       {one("F32", "[3]", "[0,8]", 8), []string{`tensor "a.b"`, "span 8 bytes", "F32[3] takes 12"}},
		"beyond the data":   {one("F32", "[2]", "[0,8]", 4), []string{"data_offsets [0 8]", "4 bytes of data"}},
		"descending":        {one("F32", "[1]", "[4,0]", 4), []string{"data_offsets [4 0]"}},
		"before the data":   {one("F32", "[1]", "[-4,0]", 4), []string{"data_offsets [-4 0]"}},
		"truncated":         {one("F32", "[2]", "[0,8]", 7), []string{"7 bytes of data"}},
		"padded":            {one("F32", "[2]", "[0,8]", 9), []string{"end at byte 8", "holds 9"}},
		"overlap":           {two(3, 7, 7), []string{`tensor "y"`, "begins at byte 3", "ends at 4"}},
		"gap":               {two(5, 7, 7), []string{`tensor "y"`, "begins at byte 5", "gap after 4"}},
		"same name":         {raw(`{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}`, 0, 0), []string{`two entries named "x"`}},
		"metadata":          {raw(`{"__metadata__":{"a":1}}`), []string{"__metadata__"}},
		"deep":              {raw(strings.Repeat(`{"a":`, 20000)), []string{"header"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, c.content)
			_, err := ReadFile(path)
			wantError(t, err, append(c.parts, path)...)
		})
	}
	_, err := ReadFile("/no/such/file")
	wantError(t, err, "/no/such/file", "no such file")
	dir := t.TempDir()
	_, err = ReadFile(dir)
	wantError(t, err, dir, "not a regular file")
}

func TestReadAllocatesByTheFile(t *testing.T) {
	lie := append(binary.LittleEndian.AppendUint64(nil, 90_000_000), '{')
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := read(bytes.NewReader(lie), int64(len(lie)))
	runtime.ReadMemStats(&after)
	wantError(t, err, "claims 90000000 bytes")
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<16 {
		t.Errorf("%d bytes allocated for a file of %d", took, len(lie))
	}
}

func TestFindExplains(t *testing.T) {
	f := &File{Path: "w.st", Tensors: map[string]*tensor.Dense{
		"layer1.0.conv1.weight": dense([]float32{1, 2, 3, 4}, 2, 2),
		"layer1.0.conv2.weight": dense([]float32{1}, 1),
		"step":                  dense([]int64{7}),
	}}
	_, err := f.Float32("module.layer1.0.conv1.weight", 2, 2)
	wantError(t, err, "w.st", `missing tensor "module.layer1.0.conv1.weight"`, `it has "layer1.0.conv1.weight"`)
	_, err = f.Float32("zzz")
	wantError(t, err, `missing tensor "zzz"`)
	_, err = f.Float32("layer1.0.conv1.weight", 4)
	wantError(t, err, `"layer1.0.conv1.weight" is float32[2 2], want float32[4]`)
	_, err = f.Float32("step")
	wantError(t, err, `"step" is int64[], want float32[]`)
}

func TestCheckFinite(t *testing.T) {
	f := &File{Path: "w.st", Tensors: map[string]*tensor.Dense{
		"a": dense([]float32{math.MaxFloat32, -math.MaxFloat32, 0x1p-149}, 3),
		"b": dense([]int64{math.MaxInt64}, 1),
	}}
	if err := f.CheckFinite(); err != nil {
		t.Error(err)
	}
	for name, v := range map[string]float64{"NaN": math.NaN(), "+Inf": math.Inf(1), "-Inf": math.Inf(-1)} {
		f.Tensors["c"] = dense([]float32{0, 0, 0, float32(v)}, 2, 2)
		wantError(t, f.CheckFinite(), "w.st", `tensor "c"`, name, "index 3 of [2 2]")
	}
}
