package data

import (
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg" // for image.Decode
	_ "image/png"  // for image.Decode
	"io"
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/image/draw"
)

const (
	// imageLimit is the most pixels of one image file.
	imageLimit = 64 << 20
	// pixelsPerByte is the most pixels that a byte of a PNG file can hold: deflate
	// expands at most 1032 times and a byte holds eight 1-bit pixels. JPEG holds fewer.
	pixelsPerByte = 1032 * 8
)

// commonSize is the size that most of the files have; of equally common ones, the first seen.
func commonSize(files []labelled) (image.Point, error) {
	sizes := make([]image.Point, len(files))
	err := eachFile(files, func(i int, r io.ReadSeeker, bytes int64) error {
		cfg, err := imageSize(r, bytes)
		sizes[i] = cfg
		return err
	})
	if err != nil {
		return image.Point{}, err
	}
	counts, best := map[image.Point]int{}, sizes[0]
	for _, s := range sizes {
		counts[s]++
	}
	for _, s := range sizes {
		if counts[s] > counts[best] {
			best = s
		}
	}
	return best, nil
}

// loadImages decodes the files to uint8 [len(files),size.Y,size.X,3], on all cores.
func loadImages(files []labelled, size image.Point) (Split, error) {
	bytes := 3 * size.X * size.Y
	if len(files) > folderLimit/bytes {
		return Split{}, fmt.Errorf("%d images of %dx%d pixels do not fit %d GiB of memory; shrink the images first", len(files), size.Y, size.X, folderLimit>>30)
	}
	pixels := make([]uint8, len(files)*bytes)
	labels := make([]int32, len(files))
	err := eachFile(files, func(i int, r io.ReadSeeker, n int64) error {
		labels[i] = files[i].label
		img, err := decodeImage(r, n)
		if err == nil {
			fit(pixels[i*bytes:(i+1)*bytes], img, size)
		}
		return err
	})
	if err != nil {
		return Split{}, err
	}
	return newSplit(pixels, size.Y, size.X, 3, labels), nil
}

// eachFile calls do for every file on all cores and returns the error of the first
// file, in their order, that has one.
func eachFile(files []labelled, do func(i int, r io.ReadSeeker, bytes int64) error) error {
	var next atomic.Int64
	var workers sync.WaitGroup
	var mu sync.Mutex
	first, failed := len(files), error(nil)
	for range min(runtime.GOMAXPROCS(0), len(files)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(files); i = int(next.Add(1)) - 1 {
				err := withFile(files[i].path, func(r io.ReadSeeker, bytes int64) error { return do(i, r, bytes) })
				if err == nil {
					continue
				}
				mu.Lock()
				if i < first {
					first, failed = i, err
				}
				mu.Unlock()
				return // files before i are taken already: the first error is among those found
			}
		})
	}
	workers.Wait()
	return failed
}

func withFile(path string, do func(r io.ReadSeeker, bytes int64) error) error {
	f, bytes, err := openRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := do(f, bytes); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// imageSize reads the size from the header of a PNG or JPEG file of the given
// length, and refuses one that the file cannot hold.
func imageSize(r io.Reader, bytes int64) (image.Point, error) {
	cfg, _, err := image.DecodeConfig(r)
	if err != nil {
		return image.Point{}, fmt.Errorf("not a readable PNG or JPEG image: %w", err)
	}
	w, h := int64(cfg.Width), int64(cfg.Height)
	if w < 1 || h < 1 || w > imageLimit/h {
		return image.Point{}, fmt.Errorf("header claims %dx%d pixels, want 1 to %d in all", w, h, imageLimit)
	}
	if w*h/pixelsPerByte > bytes {
		return image.Point{}, fmt.Errorf("header claims %dx%d pixels, too many for a file of %d bytes", w, h, bytes)
	}
	return image.Pt(cfg.Width, cfg.Height), nil
}

// decodeImage decodes a PNG or JPEG file of the given length to opaque RGB: grey is
// copied to the three channels, 16 bits lose the lower 8, and alpha is dropped, as
// PIL's convert("RGB") does. EXIF orientation is not applied.
func decodeImage(r io.ReadSeeker, bytes int64) (*image.RGBA, error) {
	if _, err := imageSize(r, bytes); err != nil {
		return nil, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	src, _, err := image.Decode(r)
	if err != nil {
		return nil, fmt.Errorf("corrupt image: %w", err)
	}
	return opaque(src), nil
}

// opaque copies src without its alpha.
func opaque(src image.Image) *image.RGBA {
	b := src.Bounds()
	dst := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	if s, ok := src.(interface{ Opaque() bool }); ok && s.Opaque() {
		draw.Draw(dst, dst.Bounds(), src, b.Min, draw.Src)
		return dst
	}
	for y := range b.Dy() {
		for x := range b.Dx() {
			dst.SetRGBA(x, y, dropAlpha(src.At(b.Min.X+x, b.Min.Y+y)))
		}
	}
	return dst
}

// dropAlpha is the colour with its stored components, were it opaque.
func dropAlpha(c color.Color) color.RGBA {
	switch c := c.(type) {
	case color.NRGBA:
		return color.RGBA{c.R, c.G, c.B, 255}
	case color.NRGBA64: // not through RGBA(), which loses the colour where alpha is 0
		return color.RGBA{uint8(c.R >> 8), uint8(c.G >> 8), uint8(c.B >> 8), 255}
	}
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	return color.RGBA{n.R, n.G, n.B, 255}
}

// fit writes src to dst, uint8 [size.Y,size.X,3]. Where the size differs, the
// largest centred part with the target's aspect ratio is resized with the
// Catmull-Rom kernel (antialiased): the usual resize of the shorter side and centre
// crop, without the long intermediate image that a thin strip would make.
func fit(dst []uint8, src *image.RGBA, size image.Point) {
	if src.Rect.Size() != size {
		scaled := image.NewRGBA(image.Rectangle{Max: size})
		draw.CatmullRom.Scale(scaled, scaled.Rect, src, centre(src.Rect.Size(), size), draw.Src, nil)
		src = scaled
	}
	for i := range size.X * size.Y {
		copy(dst[3*i:3*i+3], src.Pix[4*i:])
	}
}

// centre is the largest centred rectangle of have with the aspect ratio of want, to the nearest pixel.
func centre(have, want image.Point) image.Rectangle {
	scale := math.Min(float64(have.X)/float64(want.X), float64(have.Y)/float64(want.Y))
	w := max(1, min(have.X, int(math.Round(scale*float64(want.X)))))
	h := max(1, min(have.Y, int(math.Round(scale*float64(want.Y)))))
	at := image.Pt((have.X-w)/2, (have.Y-h)/2)
	return image.Rectangle{Min: at, Max: at.Add(image.Pt(w, h))}
}
