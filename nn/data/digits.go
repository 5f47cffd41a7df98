package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// digitsGz is the test part of E. Alpaydin and C. Kaynak, "Optical Recognition of
// Handwritten Digits", UCI Machine Learning Repository, 1998 (CC BY 4.0): a line
// holds 64 values 0..16, row by row, and the label.
//
//go:embed digits.csv.gz
var digitsGz []byte

const (
	digitsFile = "digits.csv.gz"
	digitsSide = 8
	digitsMax  = 16 // a pixel counts the black dots of a 4x4 block
)

// openDigits reads the embedded digits: 1,442 train and 355 test images.
func openDigits(string) (*Set, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(digitsGz))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", digitsFile, err)
	}
	all, err := parseDigits(unzipped)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", digitsFile, err)
	}
	set := &Set{Classes: digitNames(10)}
	set.Train, set.Test = all.everyFifth()
	return set, nil
}

// parseDigits reads lines of 64 pixel values and a label, separated by commas.
func parseDigits(r io.Reader) (Split, error) {
	var pixels []uint8
	var labels []int32
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), ",")
		if want := digitsSide*digitsSide + 1; len(fields) != want {
			return Split{}, fmt.Errorf("line %d has %d values, want %d", n, len(fields), want)
		}
		for i, field := range fields {
			top := digitsMax
			if i == len(fields)-1 {
				top = 9
			}
			v, err := strconv.Atoi(field)
			if err != nil || v < 0 || v > top {
				return Split{}, fmt.Errorf("line %d, value %d is %q, want 0..%d", n, i+1, field, top)
			}
			if i == len(fields)-1 {
				labels = append(labels, int32(v))
			} else {
				pixels = append(pixels, uint8((v*255*2+digitsMax)/(2*digitsMax)))
			}
		}
	}
	if err := lines.Err(); err != nil {
		return Split{}, err
	}
	if len(labels) == 0 {
		return Split{}, fmt.Errorf("no lines, want images")
	}
	return newSplit(pixels, digitsSide, digitsSide, 1, labels), nil
}

// digitNames is "0", "1", ... for n classes.
func digitNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = strconv.Itoa(i)
	}
	return names
}
