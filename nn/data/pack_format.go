package data

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// A pack is one file of decoded images, resized so that the shorter side has a given length, to be mapped into memory:
//
//	"vimpspk1" and 8 zero bytes
//	pixels: uint8 RGB [h,w,3] of each image, one after the other, train images first
//	names: JSON list of the classes
//	index: for each image uint32 height, uint32 width, int32 label
//	hashes: SHA-256 of every packBlock bytes from the beginning of the pixels to their end
//	trailer: packTrailer bytes, see trailer
//
// Numbers are little endian. Where an image begins follows from the sizes before it.
const (
	packMagic   = "vimpspk1"
	packHead    = 16
	packBlock   = 4 << 20
	packEntry   = 12 // bytes of an image in the index
	packTrailer = 128
)

// trailer is the end of a pack:
// int64 pixel bytes, name bytes, train images, test images, shorter side, block bytes, SHA-256 over names, index and
// hashes, SHA-256 over all of the trailer before it, 8 zero bytes, magic.
type trailer struct {
	Pixels, Names, Train, Test, Side, Block int64
	Tables                                  [32]byte
	Own                                     [32]byte
	Zero                                    int64
	Magic                                   [8]byte
}

// hashed is what Own is the SHA-256 of.
func (t trailer) hashed() []byte { return t.encode()[:6*8+32] }

func (t trailer) encode() []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, t); err != nil {
		panic(err) // only for types that it cannot encode
	}
	return b.Bytes()
}

// packIndex is what stands behind the pixels of a pack.
type packIndex struct {
	side     int
	classes  []string
	starts   []int64 // of each image in the file, and the end of the last
	heights  []int32
	labels   []int32
	train    int // images of the train split, which come first
	pixelEnd int64
	hashes   []byte
	content  string // SHA-256 of the tables, so of everything
}

// parsePack reads the tables of a whole pack; the pixels are not looked at. Memory is bounded by the length of file.
func parsePack(file []byte) (*packIndex, error) {
	if len(file) < packHead+packTrailer || string(file[:8]) != packMagic {
		return nil, fmt.Errorf("%d bytes that do not begin with %q: not a pack", len(file), packMagic)
	}
	var t trailer
	if err := binary.Read(bytes.NewReader(file[len(file)-packTrailer:]), binary.LittleEndian, &t); err != nil {
		return nil, err
	}
	if string(t.Magic[:]) != packMagic || sha256.Sum256(t.hashed()) != t.Own {
		return nil, errors.New("the last 128 bytes are damaged or cut off")
	}
	space := int64(len(file) - packHead - packTrailer)
	for _, v := range []int64{t.Pixels, t.Names, t.Train, t.Test, t.Side} {
		if v < 1 || v > space {
			return nil, fmt.Errorf("the trailer claims %d of something, want 1 to %d in a file of %d bytes", v, space, len(file))
		}
	}
	if t.Block != packBlock {
		return nil, fmt.Errorf("blocks of %d bytes, want %d", t.Block, packBlock)
	}
	images := t.Train + t.Test // no overflow: each is less than a file's length
	blocks := (t.Pixels + packBlock - 1) / packBlock
	if images > space/packEntry || t.Pixels+t.Names+images*packEntry+32*blocks != space {
		return nil, fmt.Errorf("the trailer claims %d bytes of pixels and %d images, which does not fit a file of %d bytes", t.Pixels, images, len(file))
	}
	tables := file[packHead+t.Pixels : int64(len(file))-packTrailer]
	if sha256.Sum256(tables) != t.Tables {
		return nil, errors.New("the tables behind the pixels are damaged: their SHA-256 differs from that in the trailer")
	}
	p := &packIndex{side: int(t.Side), train: int(t.Train), pixelEnd: packHead + t.Pixels, content: hex.EncodeToString(t.Tables[:])}
	if err := json.Unmarshal(tables[:t.Names], &p.classes); err != nil {
		return nil, fmt.Errorf("class names: %w", err)
	}
	p.hashes = tables[t.Names+images*packEntry:]
	return p, p.readIndex(tables[t.Names : t.Names+images*packEntry])
}

// readIndex checks that images of at least one pixel fill the pixels exactly, and that labels are classes.
func (p *packIndex) readIndex(index []byte) error {
	n := len(index) / packEntry
	p.starts, p.heights, p.labels = make([]int64, n+1), make([]int32, n), make([]int32, n)
	at := int64(packHead)
	for i := range n {
		e := index[i*packEntry:]
		h, w := int64(binary.LittleEndian.Uint32(e)), int64(binary.LittleEndian.Uint32(e[4:]))
		label := int32(binary.LittleEndian.Uint32(e[8:]))
		if h < 1 || w < 1 || h > imageLimit/w || 3*h*w > p.pixelEnd-at {
			return fmt.Errorf("image %d of %dx%d pixels does not fit", i, h, w)
		}
		if label < 0 || int(label) >= len(p.classes) {
			return fmt.Errorf("image %d has label %d, want 0 to %d", i, label, len(p.classes)-1)
		}
		p.starts[i], p.heights[i], p.labels[i] = at, int32(h), label
		at += 3 * h * w
	}
	if at != p.pixelEnd {
		return fmt.Errorf("%d images end at byte %d, the pixels at %d", n, at, p.pixelEnd)
	}
	p.starts[n] = at
	return nil
}
