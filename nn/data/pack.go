package data

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// pack is a pack file, mapped into memory for as long as a Split reads it.
type pack struct {
	*packIndex
	path string
	file []byte
}

// openPack maps a pack that WritePack wrote. The trailer and the tables are checked; the pixels' checksums are by
// Set.Verify.
func openPack(path string, given options) (*Set, error) {
	o, err := readScaleOptions(given)
	if err != nil {
		return nil, err
	}
	p, err := mapPack(path)
	if err != nil {
		return nil, err
	}
	n := len(p.labels)
	train := o.split(packed{p, 0}, p.labels[:p.train:p.train])
	test := o.split(packed{p, p.train}, p.labels[p.train:n:n])
	return o.set(p.classes, train, test, "pack "+p.content), nil
}

func mapPack(path string) (*pack, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size < packHead+packTrailer || int64(int(size)) != size {
		return nil, fmt.Errorf("%s: %d bytes: not a pack", path, size)
	}
	file, err := unix.Mmap(int(f.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot be mapped into memory: %w", path, os.NewSyscallError("mmap", err))
	}
	index, err := parsePack(file)
	if err != nil {
		unix.Munmap(file)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	p := &pack{index, path, file}
	runtime.AddCleanup(p, func(file []byte) { unix.Munmap(file) }, file)
	return p, nil
}

// verify compares every block of pixels with its checksum.
func (p *pack) verify() error {
	defer runtime.KeepAlive(p) // the mapping ends with it
	pixels := p.file[packHead:p.pixelEnd]
	for b := 0; b*packBlock < len(pixels); b++ {
		block := pixels[b*packBlock : min((b+1)*packBlock, len(pixels))]
		if sum := sha256.Sum256(block); !bytes.Equal(sum[:], p.hashes[32*b:32*b+32]) {
			return fmt.Errorf("%s: damaged: bytes %d to %d do not have their SHA-256", p.path, packHead+b*packBlock, packHead+b*packBlock+len(block)-1)
		}
	}
	return nil
}

// packed is a source: the images of a pack from first on.
type packed struct {
	pack  *pack
	first int
}

func (s packed) load(at int) (picture, error) {
	p, i := s.pack, s.first+at
	h, w, _ := s.size(at)
	copied := bytes.Clone(p.file[p.starts[i]:p.starts[i+1]])
	runtime.KeepAlive(p) // the mapping ends with it
	return picture{copied, h, w}, nil
}

func (s packed) size(at int) (h, w int, err error) {
	p, i := s.pack, s.first+at
	h = int(p.heights[i])
	return h, int(p.starts[i+1]-p.starts[i]) / 3 / h, nil
}
