package quant

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// reserved are the names of costs that need no table, and of what else a budget may bound.
var reserved = []string{"bops", "size", "memory", "drop"}

var tableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)

// CostFile splits a cost as flags name it: "bops" and "size" have no file; "NAME:FILE.csv" has one, and so has a plain
// "FILE.csv", whose cost is called like the file.
func CostFile(spec string) (name, path string) {
	if spec == "bops" || spec == "size" {
		return spec, ""
	}
	if name, path, found := strings.Cut(spec, ":"); found && tableName.MatchString(name) {
		return name, path
	}
	return "", spec
}

// OpenCost makes the table of a cost as [CostFile] reads it.
func OpenCost(spec string, s *Space) (*CostTable, error) {
	name, path := CostFile(spec)
	switch {
	case path == "" && name == "bops":
		return BOPs(s), nil
	case path == "" && name == "size":
		return SizeBytes(s), nil
	case path == "":
		return nil, fmt.Errorf("cost %q: want bops, size, FILE.csv or NAME:FILE.csv", spec)
	}
	t, err := ReadCSV(path, s)
	if err != nil {
		return nil, err
	}
	if name != "" {
		t.Name = name
	}
	if slices.Contains(reserved, t.Name) {
		return nil, fmt.Errorf("cost table %s: a cost called %q is computed and not read; name it otherwise, such as latency:%s", path, t.Name, path)
	}
	return t, nil
}
