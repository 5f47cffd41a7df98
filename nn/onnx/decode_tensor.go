package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

func (d *decoder) attr(b []byte) (Attr, error) {
	var a Attr
	if err := d.count(); err != nil {
		return a, err
	}
	seen := AttrKind(0) // old files have no type
	err := d.message(b, func(f field) error {
		switch f.number {
		case 1:
			a.Name = string(f.bytes)
		case 2:
			a.F, seen = math.Float32frombits(uint32(f.value)), AttrFloat
		case 3:
			a.I, seen = int64(f.value), AttrInt
		case 4:
			a.S, seen = string(f.bytes), AttrString
		case 5:
			t, err := d.tensor(f.bytes)
			a.T, seen = &t, AttrTensor
			return err
		case 6:
			seen = AttrGraph
		case 7:
			seen = AttrFloats
			return f.numbers(protowire.Fixed32Type, func(v uint64) { a.Floats = append(a.Floats, math.Float32frombits(uint32(v))) })
		case 8:
			seen = AttrInts
			return f.numbers(protowire.VarintType, func(v uint64) { a.Ints = append(a.Ints, int64(v)) })
		case 20:
			a.Kind = AttrKind(int32(f.value))
		}
		return nil
	})
	if a.Kind == 0 {
		a.Kind = seen
	}
	if a.Kind == AttrTensor && a.T == nil {
		a.Kind = 0
	}
	return a, err
}

// external is where a tensor's values lie outside the file.
type external struct {
	used           bool
	location       string
	offset, length int64 // length -1: to the end
}

// tensor reads a constant; values that are stored as numbers are brought to the form of raw ones.
func (d *decoder) tensor(b []byte) (Tensor, error) {
	var t Tensor
	if err := d.count(); err != nil {
		return t, err
	}
	e := external{length: -1}
	var typed []byte
	err := d.message(b, func(f field) error {
		switch f.number {
		case 1:
			err := f.numbers(protowire.VarintType, func(v uint64) { t.Dims = append(t.Dims, int64(v)) })
			if len(t.Dims) > 16 {
				return errors.New("tensor of more than 16 dimensions")
			}
			return err
		case 2:
			t.Type = DType(int32(f.value))
		case 4, 10:
			kind, size := protowire.Fixed32Type, 4
			if f.number == 10 {
				kind, size = protowire.Fixed64Type, 8
			}
			return f.numbers(kind, func(v uint64) { typed = appendLE(typed, v, size) })
		case 5, 7, 11: // int32_data holds all smaller types too; what is packed there is packed as raw data
			return f.numbers(protowire.VarintType, func(v uint64) { typed = appendLE(typed, v, max(1, t.Type.Bits()/8)) })
		case 8:
			t.Name = string(f.bytes)
		case 9:
			t.Raw = f.bytes
		case 13:
			key, value, err := d.pair(f.bytes)
			if err != nil {
				return err
			}
			return e.set(key, value)
		case 14:
			e.used = f.value == 1
		}
		return nil
	})
	if err != nil {
		return t, err
	}
	if t.Raw == nil {
		t.Raw = typed
	}
	if t.Type.Bits() == 0 {
		return t, nil // whoever reads it says so
	}
	size, err := t.size()
	if err != nil {
		return t, err
	}
	if e.used {
		if err := d.external(&t, e, size); err != nil && d.lost == nil {
			d.lost = err // the rest may still be no ONNX file at all
		}
		return t, nil
	}
	if int64(len(t.Raw)) != size {
		return t, fmt.Errorf("tensor %q has %d bytes, want %d (%v of %v)", t.Name, len(t.Raw), size, t.Type, t.Dims)
	}
	return t, nil
}

func appendLE(b []byte, v uint64, size int) []byte {
	var le [8]byte
	binary.LittleEndian.PutUint64(le[:], v)
	return append(b, le[:size]...)
}

func (e *external) set(key, value string) (err error) {
	switch key {
	case "location":
		e.location = value
	case "offset":
		e.offset, err = strconv.ParseInt(value, 10, 64)
	case "length":
		e.length, err = strconv.ParseInt(value, 10, 64)
	}
	if err != nil || e.offset < 0 {
		return fmt.Errorf("external data: bad %s %q", key, value)
	}
	return nil
}

func (d *decoder) external(t *Tensor, e external, size int64) error {
	fail := func(what string) error {
		t.Dims, t.Raw = []int64{0}, nil // never read
		return fmt.Errorf("tensor %q: external data %q %s", t.Name, e.location, what)
	}
	if !filepath.IsLocal(e.location) {
		return fail("lie outside the folder of the model")
	}
	if d.root == nil {
		if d.folder == "" {
			return fail("are not at hand")
		}
		root, err := os.OpenRoot(d.folder)
		if err != nil {
			return fail(err.Error())
		}
		d.root = root
	}
	info, err := d.root.Stat(e.location) // never follows a link out of the folder
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fail("are missing: the file must lie beside the model")
	case err != nil:
		return fail("cannot be opened: " + err.Error())
	case !info.Mode().IsRegular(): // a pipe would wait forever
		return fail("are no regular file")
	case e.length >= 0 && e.length != size:
		return fail(fmt.Sprintf("have %d bytes, want %d", e.length, size))
	case e.offset > info.Size() || info.Size()-e.offset < size:
		return fail(fmt.Sprintf("end before byte %d+%d", e.offset, size))
	}
	if d.read[e.location] += size; d.read[e.location] > 2*info.Size() { // a lying file names one place again and again
		return fail("are read more than twice")
	}
	f, err := d.root.Open(e.location)
	if err != nil {
		return fail("cannot be opened: " + err.Error())
	}
	defer f.Close()
	t.Raw = make([]byte, size)
	if _, err := io.ReadFull(io.NewSectionReader(f, e.offset, size), t.Raw); err != nil {
		return fail("cannot be read: " + err.Error())
	}
	return nil
}
