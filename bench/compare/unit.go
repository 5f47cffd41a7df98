package compare

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Times are what a unit of work took. They differ between equal runs.
type Times struct {
	Wall      float64 `json:"wall_seconds"`
	CPU       float64 `json:"cpu_seconds"`
	FixedWall float64 `json:"fixed_wall_seconds,omitempty"` // of a search: the part in Searched.Fixed
	PeakBytes int64   `json:"peak_bytes,omitempty"`         // of tensors
}

// unitFile is the file of a unit that is done.
type unitFile struct {
	ID     string          `json:"id"`
	Hash   string          `json:"sha256,omitempty"` // hash of ID and Result; files of earlier versions have none
	Result json.RawMessage `json:"result"`
	Times  Times           `json:"times"`
}

// hash is the sha256 of a unit's id and of its result without spaces.
func (f *unitFile) hash() string {
	var result bytes.Buffer
	if err := json.Compact(&result, f.Result); err != nil {
		panic(err) // it has been parsed
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s", f.ID, result.Bytes()))
	return hex.EncodeToString(sum[:])
}

func (s *store) unitPath(id string) string { return filepath.Join(unitsFolder, id+".json") }

// has tells whether a unit is done.
func (s *store) has(id string) bool {
	_, err := os.Stat(s.path(s.unitPath(id)))
	return err == nil
}

// units are the ids of all units that are done.
func (s *store) units() ([]string, error) {
	entries, err := os.ReadDir(s.path(unitsFolder))
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), ".json"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// readFile reads a unit's file, which must be whole.
func (s *store) readFile(id string) (f unitFile, found bool, err error) {
	data, err := os.ReadFile(s.path(s.unitPath(id)))
	if errors.Is(err, fs.ErrNotExist) {
		return f, false, nil
	}
	if err != nil {
		return f, false, fmt.Errorf("unit %s: %w", id, err)
	}
	err = json.Unmarshal(data, &f)
	switch {
	case err != nil:
	case f.ID != id:
		err = fmt.Errorf("it is of unit %q", f.ID)
	case len(f.Result) == 0:
		err = errors.New("it has no result")
	case f.Hash != "" && f.Hash != f.hash():
		err = errors.New("its sha256 is another")
	}
	if err != nil {
		return f, false, s.damaged(id, err)
	}
	return f, true, nil
}

func (s *store) damaged(id string, err error) error {
	return fmt.Errorf("unit %s: %s: %w; delete it and the unit is done again", id, s.path(s.unitPath(id)), err)
}

// read fills result from a unit's file.
func (s *store) read(id string, result any) (t Times, found bool, err error) {
	f, found, err := s.readFile(id)
	if err != nil || !found {
		return t, false, err
	}
	if err := json.Unmarshal(f.Result, result); err != nil {
		return t, false, s.damaged(id, err)
	}
	return f.Times, true, nil
}

func (s *store) write(id string, result any, t Times) error {
	data, err := json.Marshal(result)
	if err != nil {
		return fmt.Errorf("unit %s: %w", id, err)
	}
	return s.writeUnit(unitFile{ID: id, Result: data, Times: t})
}

func (s *store) writeUnit(f unitFile) error {
	f.Hash = f.hash()
	return s.writeJSON(s.unitPath(f.ID), f)
}
