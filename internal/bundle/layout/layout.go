// Package layout is how files and packed directories lie in the ConfigMaps of a bundle, and how a pod puts them where the plan looks for them.
package layout

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"plan/internal/printable"
)

// IndexName is the part that says what the others are.
const IndexName = "index.json"

// Folder is what Write makes. Until it is complete it has another name, which no file of a plan's has.
const (
	Folder   = "plan"
	unfolded = ".unpacking"
)

// maxPart bounds what is read of the index, of a file and of the parts of one archive: a ConfigMap holds less than a megabyte, and all
// archives of a bundle together two.
const maxPart = 4 << 20

// Index says where the parts go. Paths are separated by slashes, and below the folder that is made.
type Index struct {
	Files []File `json:"files"`
	Trees []Tree `json:"trees"`
}

// File is a part that is a file.
type File struct {
	Path string `json:"path"`
	Part string `json:"part"`
}

// Tree is a packed directory.
type Tree struct {
	Path   string   `json:"path"`
	Digest string   `json:"digest"` // of its parts, one after the other
	Parts  []string `json:"parts"`
}

// Write makes Folder in the folder to, out of the parts in the folder from. What is there already was made from the same parts: a pod starts
// its init containers again after its node did. A write that was cut off leaves nothing but what the next one removes.
//
// Trees may overlap: the directory of one step may be in that of another. A file that two of them have must be the same in both.
func Write(ctx context.Context, from, to string) error {
	parts, err := os.OpenRoot(from)
	if err != nil {
		return fmt.Errorf("open the parts: %w", err)
	}
	defer parts.Close()
	target, err := os.OpenRoot(to)
	if err != nil {
		return fmt.Errorf("open the folder to unpack into: %w", err)
	}
	defer target.Close()
	if _, err := target.Lstat(Folder); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	index, err := readIndex(parts)
	if err != nil {
		return err
	}
	if err := errors.Join(target.RemoveAll(unfolded), target.Mkdir(unfolded, 0o755)); err != nil {
		return fmt.Errorf("unpack into %s: %w", printable.String(to), err)
	}
	root, err := target.OpenRoot(unfolded)
	if err != nil {
		return fmt.Errorf("unpack into %s: %w", printable.String(to), err)
	}
	w := &writer{parts: parts, root: root}
	err = errors.Join(w.all(ctx, index), root.Close())
	if err != nil {
		return err
	}
	return target.Rename(unfolded, Folder)
}

func readIndex(parts *os.Root) (*Index, error) {
	data, err := readPart(parts, IndexName)
	if err != nil {
		return nil, err
	}
	var index Index
	if err := json.Unmarshal(data, &index); err != nil {
		return nil, fmt.Errorf("read part %s: %w", IndexName, err)
	}
	return &index, nil
}

func readPart(parts *os.Root, name string) ([]byte, error) {
	f, err := parts.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read a part: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxPart+1))
	if err == nil && len(data) > maxPart {
		err = fmt.Errorf("it has more than %d bytes", maxPart)
	}
	if err != nil {
		return nil, fmt.Errorf("read part %s: %w", printable.String(name), err)
	}
	return data, nil
}
