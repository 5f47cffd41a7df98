package onesot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"vimps-gpu/nn/onnx"
)

// HashFile is the sha256 of a regular file, as run.json records those that a run reads.
func HashFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", path)
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// HashModel is HashFile of an ONNX file or, where tensors of it lie in other files, the sha256 of all their hashes, so that neither can change
// unseen.
func HashModel(path string) (string, error) {
	hash, err := HashFile(path)
	if err != nil {
		return "", err
	}
	m, err := onnx.Read(path)
	if err != nil || len(m.External) == 0 {
		return hash, err
	}
	h := sha256.New()
	fmt.Fprintln(h, hash)
	for _, name := range m.External {
		if hash, err = HashFile(filepath.Join(filepath.Dir(path), name)); err != nil {
			return "", err
		}
		fmt.Fprintln(h, hash, name)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
