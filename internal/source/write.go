package source

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"runtime"
	"time"

	"github.com/klauspost/pgzip"

	"plan/internal/spool"
)

const (
	blockSize = 512 << 10 // compressed at once; part of the format, for other blocks give other bytes
	maxBlocks = 8         // compressed at a time, so that memory does not grow with the processors
	copySize  = 256 << 10
)

// stamp is every entry's time: the first day that zip files can hold, in every time zone. Python's zipfile refuses what is older.
func stamp() time.Time { return time.Date(1980, 1, 2, 0, 0, 0, 0, time.UTC) }

// write packs what a scan has found.
func write(ctx context.Context, dir string, root *os.Root, t *tree, o Options) (*Archive, error) {
	buffer := spool.New(o.Temp)
	out := &sink{to: buffer, limit: o.MaxSize}
	w := &writer{dir: dir, cursor: cursor{root: root}, buf: make([]byte, copySize)}
	defer w.cursor.close()
	sum := sha256.New()
	zip, err := newGzip(out)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("pack directory %s: %w", shown(dir), err), buffer.Close())
	}
	w.tar = tar.NewWriter(io.MultiWriter(sum, zip))
	if err = w.all(ctx, t.entries); err == nil {
		err = errors.Join(w.tar.Close(), zip.Close())
	}
	if err != nil {
		zip.Reset(io.Discard) // ends what it still does
		if errors.Is(err, errTooLarge) {
			err = &LimitError{Dir: dir, Unit: Compressed, Size: out.size, Limit: o.MaxSize, Packed: w.packed, Total: t.unpacked, Most: most(t.entries, Compressed)}
		}
		return nil, errors.Join(err, buffer.Close())
	}
	return &Archive{
		Digest: fmt.Sprintf("sha256:%x", sum.Sum(nil)), Compressed: fmt.Sprintf("sha256:%x", buffer.SHA256()),
		Size: buffer.Size(), Unpacked: t.unpacked, Files: w.files, Left: t.left, LeftMore: t.leftMore, Startup: w.startup, spool: buffer,
	}, nil
}

// newGzip compresses in parallel. Its header has neither time nor name.
func newGzip(to io.Writer) (*pgzip.Writer, error) {
	zip, err := pgzip.NewWriterLevel(to, pgzip.DefaultCompression)
	if err != nil {
		return nil, err
	}
	zip.ModTime = time.Unix(0, 0)
	return zip, zip.SetConcurrency(blockSize, min(maxBlocks, runtime.GOMAXPROCS(0)+1))
}

// sink takes compressed bytes up to a limit.
type sink struct {
	to          io.Writer
	size, limit int64
}

var errTooLarge = errors.New("too large")

func (s *sink) Write(p []byte) (int, error) {
	s.size += int64(len(p))
	if s.limit > 0 && s.size > s.limit {
		return 0, errTooLarge
	}
	return s.to.Write(p)
}

// writer makes the tar.
type writer struct {
	dir    string
	cursor cursor
	tar    *tar.Writer
	buf    []byte

	files   int
	packed  int64
	startup bool
}

func (w *writer) all(ctx context.Context, entries []entry) error {
	for i, e := range entries {
		err := w.entry(ctx, e)
		switch {
		case errors.Is(err, fs.ErrPermission):
			return w.unreadable(ctx, entries[i:])
		case err != nil && !errors.Is(err, errTooLarge):
			return fmt.Errorf("pack directory %s: %s: %w", shown(w.dir), shown(e.path), cause(err))
		case err != nil:
			return err
		}
	}
	return nil
}

func (w *writer) entry(ctx context.Context, e entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	// GNU's format, since busybox's tar does not know the other one for long names.
	h := &tar.Header{Format: tar.FormatGNU, Name: e.path, ModTime: stamp(), Mode: 0o644}
	switch mode := e.info.Mode(); {
	case mode.IsDir():
		h.Typeflag, h.Mode, h.Name = tar.TypeDir, 0o755, e.path+"/"
		return w.tar.WriteHeader(h)
	case mode.IsRegular():
		if h.Typeflag, h.Size = tar.TypeReg, e.size; mode&0o111 != 0 {
			h.Mode = 0o755
		}
	default:
		h.Typeflag, h.Mode, h.Linkname = tar.TypeSymlink, 0o777, e.link
	}
	w.files++
	w.startup = w.startup || e.path == Startup
	if h.Typeflag == tar.TypeSymlink {
		return w.tar.WriteHeader(h)
	}
	return w.file(ctx, e, h)
}

func (w *writer) file(ctx context.Context, e entry, h *tar.Header) error {
	f, err := w.open(e)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := w.tar.WriteHeader(h); err != nil {
		return err
	}
	for left := e.size; left > 0; {
		n, err := f.Read(w.buf[:min(left, copySize)])
		if err == io.EOF {
			return ErrChanged
		}
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			_, err = w.tar.Write(w.buf[:n])
		}
		if err != nil {
			return err
		}
		left -= int64(n)
		w.packed += int64(n)
	}
	info, err := f.Stat()
	if err == nil && (info.Size() != e.size || !info.ModTime().Equal(e.info.ModTime())) {
		err = ErrChanged
	}
	return err
}

// open opens the file that was scanned, and no other.
func (w *writer) open(e entry) (*os.File, error) {
	folder, err := w.cursor.folder(path.Dir(e.path), nil)
	if err != nil {
		return nil, orChanged(err)
	}
	f, err := open(folder, path.Base(e.path), e.info)
	return f, orChanged(err)
}

// unreadable names the files that may not be read: all, not only the first.
func (w *writer) unreadable(ctx context.Context, entries []entry) error {
	refused := &RefusedError{Dir: w.dir}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !e.info.Mode().IsRegular() {
			continue
		}
		f, err := w.open(e)
		if err == nil {
			f.Close()
		} else if errors.Is(err, fs.ErrPermission) {
			refused.Problems = append(refused.Problems, Problem{e.path, unreadable})
		}
		if len(refused.Problems) == maxProblems {
			break
		}
	}
	return refused
}
