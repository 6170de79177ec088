package source

import (
	"errors"
	"io"
	"iter"

	"plan/internal/spool"
)

// Startup is the script at a directory's root that runs before the command.
const Startup = "k8s-startup.sh"

// Archive is a packed directory: a tar, compressed with gzip. It is in memory, or in a file without a name where it is large.
type Archive struct {
	Digest     string // of the tar: "sha256:" and hexadecimal; it tells whether two directories are the same
	Compressed string // the same of the compressed bytes
	Size       int64  // of the compressed bytes
	Unpacked   int64  // bytes of all files
	Files      int    // files and links
	Left       []Left // by path: all that is on the deny list, and the first thousand of what else is left out
	LeftMore   int    // how many are not in Left
	Startup    bool   // there is a k8s-startup.sh

	spool *spool.Spool
}

// Left is an entry that is not packed.
type Left struct {
	Path   string // a folder ends with a slash, and stands for all in it
	Why    string
	Denied bool // by the deny list
}

// Open reads the compressed bytes. It may be called several times, also at once.
func (a *Archive) Open() (io.ReadCloser, error) { return io.NopCloser(a.spool.Reader()), nil }

// Parts are the compressed bytes in slices of size bytes, the last one shorter. Each slice is the caller's.
func (a *Archive) Parts(size int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if size < 1 {
			yield(nil, errors.New("cut the archive: parts need a size"))
			return
		}
		r := a.spool.Reader()
		for left := a.Size; left > 0; {
			part := make([]byte, min(int64(size), left))
			if _, err := io.ReadFull(r, part); err != nil {
				yield(nil, err)
				return
			}
			left -= int64(len(part))
			if !yield(part, nil) {
				return
			}
		}
	}
}

// Close frees memory and file.
func (a *Archive) Close() error { return a.spool.Close() }
