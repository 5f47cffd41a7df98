package onnx

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Limits of what is read: protobuf's own for a file, and more nodes and values than any net has.
const (
	fileLimit = 1<<31 - 1
	listLimit = 1 << 18
)

// Read reads a file. Tensors in external data are read from files in the folder of the model, nowhere else. Memory taken is in
// proportion to the sizes of the files. Errors are one line and name the file.
func Read(path string) (*Model, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > fileLimit {
		return nil, fmt.Errorf("%s is not a regular file of less than 2 GiB", path)
	}
	raw := make([]byte, info.Size())
	if _, err := io.ReadFull(f, raw); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	m, err := Decode(raw, filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// Decode reads a model from the bytes of a file, which it keeps. folder is where external data lie; "": nowhere.
func Decode(raw []byte, folder string) (*Model, error) {
	m := &Model{Opsets: map[string]int64{}, Metadata: map[string]string{}}
	d := &decoder{folder: folder, read: map[string]int64{}}
	defer d.close()
	graphs := 0
	err := d.message(raw, func(f field) error {
		switch f.number {
		case 1:
			m.IRVersion = int64(f.value)
		case 2:
			m.Producer = string(f.bytes)
		case 7:
			graphs++
			return d.graph(&m.Graph, f.bytes)
		case 8:
			domain, version := "", int64(0)
			err := d.message(f.bytes, func(f field) error {
				switch f.number {
				case 1:
					domain = string(f.bytes)
				case 2:
					version = int64(f.value)
				}
				return nil
			})
			if domain == "ai.onnx" {
				domain = ""
			}
			m.Opsets[domain] = version
			return err
		case 14:
			key, value, err := d.pair(f.bytes)
			m.Metadata[key] = value
			return err
		case 25:
			m.Functions++
		}
		return nil
	})
	m.External = slices.Sorted(maps.Keys(d.read))
	switch {
	case err != nil:
		return nil, fmt.Errorf("not an ONNX file: %w", err)
	case graphs != 1 || len(m.Graph.Nodes) == 0:
		return nil, errors.New("not an ONNX file: no graph with nodes in it")
	case d.lost != nil:
		return nil, d.lost
	}
	return m, nil
}

type decoder struct {
	folder string
	root   *os.Root
	items  int
	read   map[string]int64 // external file -> bytes read of it
	lost   error            // first tensor whose values are not there
}

func (d *decoder) close() {
	if d.root != nil {
		d.root.Close()
	}
}

// field is one field of a message. Of a repeated number that is packed, bytes holds all.
type field struct {
	number protowire.Number
	kind   protowire.Type
	value  uint64
	bytes  []byte
}

func (d *decoder) message(b []byte, yield func(field) error) error {
	for len(b) > 0 {
		f, n := field{}, 0
		f.number, f.kind, n = protowire.ConsumeTag(b)
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		switch f.kind {
		case protowire.VarintType:
			f.value, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			f.value = uint64(v)
		case protowire.Fixed64Type:
			f.value, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
		default: // groups are none of ONNX's
			return fmt.Errorf("field %d is of wire type %d", f.number, f.kind)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		b = b[n:]
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// numbers calls yield for a number or for all of a packed field.
func (f field) numbers(kind protowire.Type, yield func(uint64)) error {
	if f.kind == kind {
		yield(f.value)
		return nil
	}
	if f.kind != protowire.BytesType {
		return fmt.Errorf("field %d is of wire type %d", f.number, f.kind)
	}
	for b := f.bytes; len(b) > 0; {
		v, n := uint64(0), 0
		switch kind {
		case protowire.VarintType:
			v, n = protowire.ConsumeVarint(b)
		case protowire.Fixed32Type:
			var w uint32
			w, n = protowire.ConsumeFixed32(b)
			v = uint64(w)
		default:
			v, n = protowire.ConsumeFixed64(b)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		yield(v)
		b = b[n:]
	}
	return nil
}

// count refuses files with more items than any net has.
func (d *decoder) count() error {
	if d.items++; d.items > listLimit {
		return fmt.Errorf("more than %d nodes, values and tensors", listLimit)
	}
	return nil
}

func (d *decoder) pair(b []byte) (key, value string, err error) {
	err = d.message(b, func(f field) error {
		switch f.number {
		case 1:
			key = string(f.bytes)
		case 2:
			value = string(f.bytes)
		}
		return nil
	})
	return key, value, err
}

func (d *decoder) graph(g *Graph, b []byte) error {
	return d.message(b, func(f field) error {
		switch f.number {
		case 1:
			n, err := d.node(f.bytes)
			g.Nodes = append(g.Nodes, n)
			return err
		case 2:
			g.Name = string(f.bytes)
		case 5:
			t, err := d.tensor(f.bytes)
			g.Initializers = append(g.Initializers, t)
			return err
		case 11:
			v, err := d.value(f.bytes)
			g.Inputs = append(g.Inputs, v)
			return err
		case 12:
			v, err := d.value(f.bytes)
			g.Outputs = append(g.Outputs, v)
			return err
		case 15:
			return errors.New("sparse initializers cannot be read")
		}
		return nil
	})
}

func (d *decoder) node(b []byte) (Node, error) {
	var n Node
	if err := d.count(); err != nil {
		return n, err
	}
	err := d.message(b, func(f field) error {
		switch f.number {
		case 1:
			n.In = append(n.In, string(f.bytes))
			return d.count()
		case 2:
			n.Out = append(n.Out, string(f.bytes))
			return d.count()
		case 3:
			n.Name = string(f.bytes)
		case 4:
			n.Op = string(f.bytes)
		case 5:
			a, err := d.attr(f.bytes)
			n.Attrs = append(n.Attrs, a)
			return err
		case 7:
			if n.Domain = string(f.bytes); n.Domain == "ai.onnx" {
				n.Domain = ""
			}
		}
		return nil
	})
	return n, err
}

func (d *decoder) value(b []byte) (Value, error) {
	var v Value
	if err := d.count(); err != nil {
		return v, err
	}
	err := d.message(b, func(f field) error {
		switch f.number {
		case 1:
			v.Name = string(f.bytes)
		case 2:
			return d.message(f.bytes, func(f field) error {
				if f.number != 1 { // a sequence or the like
					return nil
				}
				return d.message(f.bytes, func(f field) error {
					switch f.number {
					case 1:
						v.Type = DType(f.value)
					case 2:
						v.Dims = []Dim{}
						return d.message(f.bytes, func(f field) error { return d.dim(&v, f) })
					}
					return nil
				})
			})
		}
		return nil
	})
	return v, err
}

func (d *decoder) dim(v *Value, f field) error {
	if f.number != 1 {
		return nil
	}
	if len(v.Dims) == 16 {
		return fmt.Errorf("value %q has more than 16 dimensions", v.Name)
	}
	var dim Dim
	err := d.message(f.bytes, func(f field) error {
		switch f.number {
		case 1:
			dim.Size = max(0, int64(f.value))
		case 2:
			dim.Param = string(f.bytes)
		}
		return nil
	})
	v.Dims = append(v.Dims, dim)
	return err
}
