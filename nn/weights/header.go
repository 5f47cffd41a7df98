package weights

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

const (
	// headerLimit is the longest header, in bytes, that the format allows.
	headerLimit = 100_000_000
	metadataKey = "__metadata__"
)

// entry is one tensor of the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int64  `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"` // begin and end in the data, in bytes
}

// looseEntry tells a missing field, and a wrong number of offsets, from a zero.
type looseEntry struct {
	DType   *string `json:"dtype"`
	Shape   []int64 `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// placed is an entry, its name and its number of elements.
type placed struct {
	entry
	name  string
	count int64
}

// readHeader reads and validates the header of a file of size bytes. The entries it
// returns tile the data, size less the header, in order and without gaps.
func readHeader(r io.Reader, size int64) ([]placed, map[string]string, error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, nil, fmt.Errorf("%d bytes are too few for a safetensors file, want 8 or more", size)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > headerLimit || int64(length) > size-8 {
		return nil, nil, fmt.Errorf("header claims %d bytes, but the file holds %d after its first 8 (and %d is the most)", length, size-8, headerLimit)
	}
	text := make([]byte, length)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	entries, metadata, err := parseHeader(text)
	if err != nil {
		return nil, nil, fmt.Errorf("header: %w", err)
	}
	tensors, err := place(entries, size-8-int64(length))
	return tensors, metadata, err
}

// namedEntry is one member of the header's object.
type namedEntry struct {
	name  string
	entry entry
}

// parseHeader reads the JSON object, member by member, since a map would hide duplicate names.
func parseHeader(text []byte) ([]namedEntry, map[string]string, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, errors.New("not a JSON object")
	}
	var entries []namedEntry
	var metadata map[string]string
	seen := map[string]bool{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, nil, err
		}
		name := key.(string) // the decoder admits no other key
		if seen[name] {
			return nil, nil, fmt.Errorf("two entries named %q", name)
		}
		seen[name] = true
		if name == metadataKey {
			if err := dec.Decode(&metadata); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", metadataKey, err)
			}
			continue
		}
		var loose looseEntry
		if err := dec.Decode(&loose); err != nil {
			return nil, nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		if loose.DType == nil || loose.Shape == nil || len(loose.Offsets) != 2 {
			return nil, nil, fmt.Errorf("tensor %q: want dtype, shape and two data_offsets", name)
		}
		entries = append(entries, namedEntry{name, entry{*loose.DType, loose.Shape, [2]int64(loose.Offsets)}})
	}
	if _, err := dec.Token(); err != nil {
		return nil, nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, nil, errors.New("something follows the JSON object")
	}
	return entries, metadata, nil
}

// place checks every entry against the size of the data and sorts them by place.
func place(entries []namedEntry, dataSize int64) ([]placed, error) {
	tensors := make([]placed, 0, len(entries))
	for _, e := range entries {
		p, err := measure(e, dataSize)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.name, err)
		}
		tensors = append(tensors, p)
	}
	slices.SortFunc(tensors, func(a, b placed) int { return cmp.Compare(a.Offsets[0], b.Offsets[0]) })
	at := int64(0)
	for _, p := range tensors {
		switch begin := p.Offsets[0]; {
		case begin < at:
			return nil, fmt.Errorf("tensor %q: begins at byte %d of the data, inside the tensor that ends at %d", p.name, begin, at)
		case begin > at:
			return nil, fmt.Errorf("tensor %q: begins at byte %d of the data, leaving a gap after %d", p.name, begin, at)
		}
		at = p.Offsets[1]
	}
	if at != dataSize {
		return nil, fmt.Errorf("tensors end at byte %d of the data, but the file holds %d", at, dataSize)
	}
	return tensors, nil
}

// measure checks one entry by itself: dtype, shape, extent.
func measure(e namedEntry, dataSize int64) (placed, error) {
	bytes, ok := elementSize(e.entry.DType)
	if !ok {
		return placed{}, fmt.Errorf("dtype %q, want one of %v", e.entry.DType, dtypeNames())
	}
	count := int64(1)
	for _, d := range e.entry.Shape {
		// The host tensor cannot be empty; nor does a weight file need one.
		if d < 1 || d > math.MaxInt64/bytes/count {
			return placed{}, fmt.Errorf("shape %v, want dimensions of 1 or more whose product fits the file", e.entry.Shape)
		}
		count *= d
	}
	begin, end := e.entry.Offsets[0], e.entry.Offsets[1]
	if begin < 0 || end < begin || end > dataSize {
		return placed{}, fmt.Errorf("data_offsets %v, want them ascending within the %d bytes of data", e.entry.Offsets, dataSize)
	}
	if end-begin != count*bytes {
		return placed{}, fmt.Errorf("data_offsets %v span %d bytes, but %s%v takes %d", e.entry.Offsets, end-begin, e.entry.DType, e.entry.Shape, count*bytes)
	}
	return placed{e.entry, e.name, count}, nil
}
