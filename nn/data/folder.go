package data

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folderLimit is the most bytes of pixels that one split may take in memory.
const folderLimit = 32 << 30

// openFolder reads the images that listFolder finds into memory. Every image becomes RGB of the size that most images of
// dir/train, or of all classes, have.
func openFolder(dir string) (*Set, error) {
	l, err := listFolder(dir)
	if err != nil {
		return nil, err
	}
	size, err := commonSize(l.measured)
	if err != nil {
		return nil, err
	}
	set := &Set{Classes: l.classes}
	if set.Train, err = loadImages(l.train, size); err != nil {
		return nil, err
	}
	set.Test, err = loadImages(l.test, size)
	return set, err
}

// folderParts finds the train and test folders; test is "" where dir holds the classes themselves.
func folderParts(dir string) (train, test string, err error) {
	isDir := func(name string) bool {
		info, err := os.Stat(filepath.Join(dir, name))
		return err == nil && info.IsDir()
	}
	if !isDir("train") {
		return dir, "", nil
	}
	for _, name := range []string{"val", "test"} {
		if isDir(name) {
			return filepath.Join(dir, "train"), filepath.Join(dir, name), nil
		}
	}
	return "", "", fmt.Errorf("%s has a folder train but neither val nor test", dir)
}

// folderClasses lists the sub-folders of dir, hidden ones left out, in the order of names.
func folderClasses(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	var classes []string
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(dir, e.Name())) // a link to a folder counts
		if err == nil && info.IsDir() && !strings.HasPrefix(e.Name(), ".") {
			classes = append(classes, e.Name())
		}
	}
	if len(classes) == 0 {
		return nil, fmt.Errorf("%s has no class folders, want %s", dir, filepath.Join(dir, "CLASS", "*.png|jpg|jpeg"))
	}
	return classes, nil
}

// labelled is an image file and its class.
type labelled struct {
	path  string
	label int32
}

// folderFiles lists the images of every class, at any depth, in the order of names.
// Files that do not end in .png, .jpg or .jpeg, and hidden ones, are left out.
func folderFiles(dir string, classes []string) ([]labelled, error) {
	var files []labelled
	for k, class := range classes {
		root, before := filepath.Join(dir, class)+string(filepath.Separator), len(files)
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() && !strings.HasPrefix(e.Name(), ".") && isImageName(path) {
				files = append(files, labelled{path, int32(k)})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
		if len(files) == before {
			return nil, fmt.Errorf("class folder %s holds no image, want *.png, *.jpg or *.jpeg", filepath.Join(dir, class))
		}
	}
	return files, nil
}

func isImageName(path string) bool {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png", ".jpg", ".jpeg":
		return true
	}
	return false
}

// firstDifference is the first class that one list has and the other lacks.
func firstDifference(a, b []string) string {
	for _, pair := range [][2][]string{{a, b}, {b, a}} {
		for _, class := range pair[0] {
			if !slices.Contains(pair[1], class) {
				return class
			}
		}
	}
	return ""
}
