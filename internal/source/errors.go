package source

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"plan/internal/printable"
)

// ErrChanged means that a file or folder changed while it was packed; packing again may succeed.
var ErrChanged = errors.New("it changed while it was being packed: wait until nothing writes to it, or exclude it")

// maxProblems is how many are told at once.
const maxProblems = 20

// Problem is an entry that cannot be packed.
type Problem struct{ Path, Why string }

// RefusedError has everything in a directory that cannot be carried to a pod, up to maxProblems. Nothing was packed.
type RefusedError struct {
	Dir      string
	Problems []Problem // in order of Path
}

func (e *RefusedError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "pack directory %s:", shown(e.Dir))
	for _, p := range e.Problems {
		if len(e.Problems) > 1 {
			s.WriteString("\n ")
		}
		fmt.Fprintf(&s, " %s %s", shown(p.Path), p.Why)
	}
	if len(e.Problems) == maxProblems {
		fmt.Fprintf(&s, "\n  (these are the first %d; there may be more)", maxProblems)
	}
	return s.String()
}

// Unit is what a LimitError counts.
type Unit string

// What is limited.
const (
	Entries    Unit = "files and folders"
	Unpacked   Unit = "unpacked"
	Compressed Unit = "compressed"
)

// LimitError means that a directory is too large. Packing stops as soon as that is known, so Size is what was counted until then.
type LimitError struct {
	Dir         string
	Unit        Unit
	Size, Limit int64 // entries or bytes
	Packed      int64 // of Unit Compressed: the bytes of files that gave Size
	Total       int64 // and those of all files
	Most        []Room
}

// Room is what a part of a directory takes, in the LimitError's unit; of Compressed, before compression.
type Room struct {
	Path string
	Size int64
}

func (e *LimitError) Error() string {
	text := bytesText
	if e.Unit == Entries {
		text = func(n int64) string { return fmt.Sprint(n) }
	}
	var most []string
	for _, r := range e.Most {
		most = append(most, fmt.Sprintf("%s (%s)", shown(r.Path), text(r.Size)))
	}
	size := fmt.Sprintf("%s %s", text(e.Size), e.Unit)
	if e.Unit == Compressed && e.Packed < e.Total {
		size = fmt.Sprintf("%s for the first %s of %s, %s", text(e.Size), text(e.Packed), text(e.Total), e.Unit)
	} else if e.Unit != Compressed {
		size = "at least " + size
	}
	return fmt.Sprintf("pack directory %s: it is too large: %s; the limit is %s. Most room is taken by %s. Leave out what the job does not need (exclude, or a %s file)",
		shown(e.Dir), size, text(e.Limit), strings.Join(most, ", "), planIgnore)
}

// most are the up to five parts that take most room, below the folder that almost everything is in.
func most(entries []entry, unit Unit) []Room {
	sizes := map[string]map[string]int64{} // folder, and what is in it
	for _, e := range entries {
		size := e.size
		if unit == Entries {
			size = 1
		}
		for name := e.path; name != "."; name = path.Dir(name) {
			folder := path.Dir(name)
			if sizes[folder] == nil {
				sizes[folder] = map[string]int64{}
			}
			sizes[folder][name] += size
		}
	}
	for folder := "."; ; {
		rooms := largest(sizes[folder])
		if len(rooms) == 0 || len(sizes[rooms[0].Path]) == 0 || !dominates(rooms[0], sizes[folder]) {
			return rooms[:min(5, len(rooms))]
		}
		folder = rooms[0].Path
	}
}

func largest(sizes map[string]int64) []Room {
	var rooms []Room
	for name, size := range sizes {
		rooms = append(rooms, Room{name, size})
	}
	slices.SortFunc(rooms, func(a, b Room) int { return cmp.Or(cmp.Compare(b.Size, a.Size), strings.Compare(a.Path, b.Path)) })
	return rooms
}

// dominates tells whether a room is more than nine tenths of all.
func dominates(room Room, sizes map[string]int64) bool {
	var total int64
	for _, size := range sizes {
		total += size
	}
	return room.Size > total-total/10
}

// cause is an error without the path that the system put into it: that path may hold anything.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func shown(name string) string { return printable.String(name) }

// bytesText is a number of bytes as people read it.
func bytesText(n int64) string {
	for _, u := range []struct {
		name string
		size int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n >= u.size {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(n)/float64(u.size)), ".0") + " " + u.name
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
