//go:build cuda

package driver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The container that nvcc -fatbin writes, little-endian: a header (magic u32, version u16, header size u16, size of
// what follows u64) and behind it entries, each with a header (kind u16, version u16, header size u32, payload size u64,
// ..., architecture u32 at byte 28) and a payload.
const (
	fatbinMagic = 0xBA55ED50
	fatbinPTX   = 1
	fatbinELF   = 2
)

// carries says for which architectures a fatbin has code: sm_80 (machine code), compute_80 (PTX, which newer cards
// translate). It is empty for what is no fatbin.
func carries(image []byte) []string {
	le := binary.LittleEndian
	if len(image) < 16 || le.Uint32(image) != fatbinMagic {
		return nil
	}
	var list []string
	for at := uint64(le.Uint16(image[6:])); at+32 <= uint64(len(image)); {
		entry := image[at:]
		name := map[uint16]string{fatbinPTX: "compute", fatbinELF: "sm"}[le.Uint16(entry)]
		if name != "" {
			list = append(list, fmt.Sprintf("%s_%d", name, le.Uint32(entry[28:])))
		}
		size := uint64(le.Uint32(entry[4:])) + le.Uint64(entry[8:])
		if size < 32 || size > uint64(len(entry)) {
			break
		}
		at += size
	}
	return list
}

// kernels lists the kernels of an image by the PTX in it, which nvcc --no-compress leaves readable.
func kernels(image []byte) (names []string) {
	const entry = ".entry "
	for {
		at := bytes.Index(image, []byte(entry))
		if at < 0 {
			return names
		}
		image = image[at+len(entry):]
		if name, _, ok := bytes.Cut(image[:min(len(image), 256)], []byte("(")); ok {
			names = append(names, string(name))
		}
	}
}

// inventory is [carries] of all images together, for an error message.
func inventory(images map[string][]byte) string {
	seen := map[string]bool{}
	for _, image := range images {
		for _, name := range carries(image) {
			seen[name] = true
		}
	}
	if len(seen) == 0 {
		return "nothing"
	}
	return strings.Join(slices.Sorted(maps.Keys(seen)), ", ")
}
