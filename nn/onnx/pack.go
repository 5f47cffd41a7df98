package onnx

// carrier is the width in which codes of so many bits are stored: ONNX has 2, 4 and 8.
func carrier(bits int) int {
	switch {
	case bits <= 2:
		return 2
	case bits <= 4:
		return 4
	}
	return 8
}

// packCodes stores codes of the given width without gaps, the first in the lowest bits of a byte, as ONNX does. add is added to each.
func packCodes(codes []int8, width, add int) []byte {
	out := make([]byte, (len(codes)*width+7)/8)
	for i, c := range codes {
		v := (int(c) + add) & (1<<width - 1) << (i * width % 8)
		out[i*width/8] |= byte(v)
		if v > 255 {
			out[i*width/8+1] |= byte(v >> 8)
		}
	}
	return out
}
