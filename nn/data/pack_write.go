package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"vimps-gpu/nn/atomicfile"
)

// Packing is what WritePack has written.
type Packing struct {
	Train, Test int
	Classes     int
	Bytes       int64
}

// WritePack decodes the images of an ImageFolder (see Open), resizes each so that its shorter side is side pixels,
// as test images are, and writes them to a new file at path, which "pack:FILE" reads. The file appears whole or not at
// all; one that is there is not replaced. done is called now and then with the number of images written, of all.
func WritePack(ctx context.Context, path, dir string, side int, done func(images, of int)) (Packing, error) {
	if side < 8 || side > 4096 {
		return Packing{}, fmt.Errorf("size %d: want 8 to 4096", side)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s exists already", path)
		}
		return Packing{}, err
	}
	if err := checkDir(dir); err != nil {
		return Packing{}, err
	}
	l, err := listFolder(dir)
	if err != nil {
		return Packing{}, err
	}
	w := packWriter{hash: sha256.New()}
	err = atomicfile.Write(path, func(out io.Writer) error {
		w.out = out
		return w.write(ctx, l, side, done)
	})
	return Packing{len(l.train), len(l.test), len(l.classes), w.bytes}, err
}

type packWriter struct {
	out    io.Writer
	bytes  int64 // written
	hash   hash.Hash
	hashed int // bytes of the block that hash has seen
	hashes []byte
}

func (w *packWriter) Write(b []byte) (int, error) {
	n, err := w.out.Write(b)
	w.bytes += int64(n)
	return n, err
}

// pixels writes b and hashes it, block by block.
func (w *packWriter) pixels(b []byte) error {
	if _, err := w.Write(b); err != nil {
		return err
	}
	for len(b) > 0 {
		n := min(len(b), packBlock-w.hashed)
		w.hash.Write(b[:n])
		if w.hashed += n; w.hashed == packBlock {
			w.endBlock()
		}
		b = b[n:]
	}
	return nil
}

func (w *packWriter) endBlock() {
	if w.hashed > 0 {
		w.hashes = w.hash.Sum(w.hashes)
		w.hash.Reset()
		w.hashed = 0
	}
}

func (w *packWriter) write(ctx context.Context, l listing, side int, done func(images, of int)) error {
	const chunk = 128 // images in memory
	if _, err := w.Write(append([]byte(packMagic), make([]byte, packHead-len(packMagic))...)); err != nil {
		return err
	}
	all := append(append([]labelled{}, l.train...), l.test...)
	var index []byte
	pictures := make([]picture, chunk)
	for from := 0; from < len(all); from += chunk {
		if err := ctx.Err(); err != nil {
			return err
		}
		list := all[from:min(from+chunk, len(all))]
		err := eachFile(list, func(i int, r io.ReadSeeker, bytes int64) error {
			img, err := decodeImage(r, bytes)
			if err == nil {
				pictures[i], err = rgb(img).shorterSide(side)
			}
			return err
		})
		if err != nil {
			return err
		}
		for i, f := range list {
			p := pictures[i]
			for _, v := range []int{p.h, p.w, int(f.label)} {
				index = binary.LittleEndian.AppendUint32(index, uint32(v))
			}
			if err := w.pixels(p.pixels); err != nil {
				return err
			}
		}
		done(from+len(list), len(all))
	}
	w.endBlock()
	return w.end(trailer{Pixels: w.bytes - packHead, Train: int64(len(l.train)), Test: int64(len(l.test)), Side: int64(side), Block: packBlock}, l.classes, index)
}

// end writes what stands behind the pixels.
func (w *packWriter) end(t trailer, classes []string, index []byte) error {
	names, err := json.Marshal(classes)
	if err != nil {
		return err
	}
	t.Names = int64(len(names))
	tables := append(append(names, index...), w.hashes...)
	t.Tables = sha256.Sum256(tables)
	t.Own = sha256.Sum256(t.hashed())
	copy(t.Magic[:], packMagic)
	if _, err := w.Write(tables); err != nil {
		return err
	}
	_, err = w.Write(t.encode())
	return err
}
