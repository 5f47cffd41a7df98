package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func packOf(t *testing.T, dir string, side int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "set.pack")
	if _, err := WritePack(t.Context(), path, dir, side, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPackHoldsTheFolder(t *testing.T) {
	dir := t.TempDir()
	imageNet(t, dir)
	path := filepath.Join(t.TempDir(), "set.pack")
	seen := 0
	wrote, err := WritePack(t.Context(), path, dir, 32, func(images, of int) { seen = images + of })
	if err != nil || wrote.Train != 6 || wrote.Test != 3 || wrote.Classes != 2 || seen != 18 {
		t.Fatalf("%+v, %d, %v", wrote, seen, err)
	}
	if info, err := os.Stat(path); err != nil || info.Size() != wrote.Bytes {
		t.Errorf("%d bytes, %v, want %d", info.Size(), err, wrote.Bytes)
	}
	folder, pack := open(t, "folder:"+dir+",size=28"), open(t, "pack:"+path+",size=28") // 28/0.875 = 32
	if !slices.Equal(folder.Classes, pack.Classes) || pack.Train.Len() != 6 || pack.Test.Len() != 3 {
		t.Errorf("classes %v, %d train, %d test", pack.Classes, pack.Train.Len(), pack.Test.Len())
	}
	for i := range 3 {
		if pack.Test.Label(i) != folder.Test.Label(i) {
			t.Errorf("label %d differs", i)
		}
		wantPixels(t, "test image", sample(t, pack.Test, i, -1), sample(t, folder.Test, i, -1))
	}
	if h, w := pack.Train.Size(5); h != 32 || w != 32*70/47 || len(pack.Train.Image(5)) != h*w*3 {
		t.Errorf("training image 5 of %dx%d", h, w)
	}
	if err := pack.Verify(); err != nil {
		t.Error(err)
	}
	again := packOf(t, dir, 32)
	if open(t, "pack:"+again).Hash != open(t, "pack:"+path).Hash || pack.Hash == open(t, "pack:"+path).Hash {
		t.Error("the hash must follow from content and options")
	}
}

// The same content gives the same file; another pixel another hash.
func TestPackIsDeterministic(t *testing.T) {
	dir := t.TempDir()
	imageNet(t, dir)
	a, err := os.ReadFile(packOf(t, dir, 24))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(packOf(t, dir, 24))
	if err != nil || !slices.Equal(a, b) {
		t.Errorf("two packs of one folder differ, %v", err)
	}
}

func TestPackRefuses(t *testing.T) {
	dir := t.TempDir()
	imageNet(t, dir)
	path := packOf(t, dir, 16)
	_, err := WritePack(t.Context(), path, dir, 16, func(int, int) {})
	wantError(t, err, path, "exists already")
	stopped, stop := context.WithCancel(t.Context())
	stop()
	other := filepath.Join(t.TempDir(), "b.pack")
	if _, err = WritePack(stopped, other, dir, 16, func(int, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(other)); err != nil || len(left) != 0 {
		t.Errorf("a stopped pack leaves %v, %v", left, err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func([]byte) []byte
		part   string
	}{
		"cut":       {func(b []byte) []byte { return b[:len(b)-1] }, "damaged or cut off"},
		"longer":    {func(b []byte) []byte { return append(b, b[len(b)-packTrailer:]...) }, "does not fit"},
		"head":      {func(b []byte) []byte { b[0]++; return b }, "not a pack"},
		"tiny":      {func(b []byte) []byte { return b[:100] }, "not a pack"},
		"tables":    {func(b []byte) []byte { b[len(b)-packTrailer-5]++; return b }, "tables behind the pixels are damaged"},
		"trailer":   {func(b []byte) []byte { b[len(b)-packTrailer]++; return b }, "damaged"},
		"no file":   {func(b []byte) []byte { return nil }, "no such file"},
		"lie: 2^62": {func(b []byte) []byte { return lie(b, 2, 1<<62) }, "the trailer claims"},
		"lie: many": {func(b []byte) []byte { return lie(b, 2, 1000) }, "does not fit a file"},
	} {
		file := filepath.Join(t.TempDir(), "x.pack")
		if b := c.change(slices.Clone(good)); b != nil {
			write(t, file, b)
		}
		if _, err := Open("pack:" + file); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			wantError(t, err, file, c.part)
		}
	}
	good[packHead+7]++ // a pixel: found when the set is verified
	write(t, path+"2", good)
	wantError(t, open(t, "pack:"+path+"2").Verify(), path+"2", "damaged", "bytes 16 to")
}

// lie sets a field of the trailer under a right checksum.
func lie(b []byte, field int, value int64) []byte {
	end := b[len(b)-packTrailer:]
	binary.LittleEndian.PutUint64(end[8*field:], uint64(value))
	sum := sha256.Sum256(end[:6*8+32])
	copy(end[6*8+32:], sum[:])
	return b
}

// FuzzPack changes a pack under right checksums, so that what stands behind them is reached.
func FuzzPack(f *testing.F) {
	w := packFile(f)
	f.Add(w, uint8(0), int64(7))
	f.Add(w, uint8(4), int64(1<<40))
	f.Add(w[:len(w)-3], uint8(9), int64(0))
	f.Fuzz(func(t *testing.T, file []byte, field uint8, value int64) {
		if len(file) >= packHead+packTrailer {
			end := file[len(file)-packTrailer:]
			if int(field) < 6 {
				binary.LittleEndian.PutUint64(end[8*field:], uint64(value))
			}
			if pixels := int64(binary.LittleEndian.Uint64(end)); pixels >= 0 && pixels <= int64(len(file)-packHead-packTrailer) {
				sum := sha256.Sum256(file[packHead+pixels : len(file)-packTrailer])
				copy(end[6*8:], sum[:])
			}
			sum := sha256.Sum256(end[:6*8+32])
			copy(end[6*8+32:], sum[:])
		}
		p, err := parsePack(file)
		if err != nil {
			return
		}
		images := &pack{p, "x", file}
		for i := range p.labels {
			got, _ := packed{images, 0}.load(i)
			if len(got.pixels) != 3*got.h*got.w || got.h < 1 || got.w < 1 {
				t.Fatalf("image %d: %dx%d in %d bytes", i, got.h, got.w, len(got.pixels))
			}
		}
		_ = images.verify()
	})
}

// packFile is a pack of two images.
func packFile(t testing.TB) []byte {
	var out bytesWriter
	w := packWriter{out: &out, hash: sha256.New()}
	dir := t.TempDir()
	var list []labelled
	for i := range 2 {
		path := filepath.Join(dir, string(rune('a'+i))+".jpg")
		if err := os.WriteFile(path, photo(t, 9+i, 8, i), 0o666); err != nil {
			t.Fatal(err)
		}
		list = append(list, labelled{path, int32(i)})
	}
	l := listing{dir: dir, classes: []string{"a", "b"}, train: list[:1], test: list[1:]}
	if err := w.write(context.Background(), l, 8, func(int, int) {}); err != nil {
		t.Fatal(err)
	}
	return out
}

type bytesWriter []byte

func (b *bytesWriter) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}
