// Package atomicfile replaces files whole: a reader, or a process that starts after
// a crash, finds either the old contents or the new, never a part.
package atomicfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// marker is part of every temporary name: "." + base + marker + number.
const marker = ".unfinished-"

// Write calls write with a buffered writer and makes what it wrote the contents of
// path. The bytes go to a temporary file in the same folder, which is synced and
// renamed over path; then the folder is synced. On any error, also a full disk, the
// temporary file is removed and path stays as it was (only a failing sync of the
// folder comes after the rename). The mode is 0666 less the umask. A link at path is
// replaced, not followed; anything else that is not a regular file is refused.
func Write(path string, write func(io.Writer) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write %s: %w", path, plain(err))
		}
	}()
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink {
		return errors.New("it exists and is not a regular file")
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	done := false
	defer func() { // deferred, so that a panic in write leaves nothing behind either
		if !done {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	buffered := bufio.NewWriterSize(f, 1<<16)
	if err := write(buffered); err != nil {
		return err
	}
	if err := errors.Join(buffered.Flush(), f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	done = true
	return syncFolder(filepath.Dir(path))
}

// RemoveLeftovers deletes the temporary files that killed processes left in dir.
// Only the owner of dir may call it: one that holds the lock of a run directory.
func RemoveLeftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), marker) && e.Type().IsRegular() {
			errs = append(errs, os.Remove(filepath.Join(dir, e.Name())))
		}
	}
	return errors.Join(errs...)
}

// create opens a new temporary file beside path. os.CreateTemp would give mode 0600.
func create(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	for try := 0; ; try++ {
		name := fmt.Sprintf("%s.%s%s%d", dir, base, marker, rand.Uint64())
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

// syncFolder makes a rename in dir durable. Some file systems cannot sync a folder.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// plain takes the temporary name, which says nothing to a user, out of a file error.
func plain(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) && strings.Contains(pathErr.Path, marker) {
		return pathErr.Err
	}
	var linkErr *os.LinkError
	if errors.As(err, &linkErr) {
		return linkErr.Err
	}
	return err
}
