package gitrepo

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/idxfile"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// pack is what a server sent: objects by the hash of their content.
type pack struct {
	file  *packFile
	index *idxfile.MemoryIndex
	pack  *packfile.Packfile
	most  limits
}

// packFile is a file without a name, so that nothing is left of it however the process ends. Reading it ends with a context.
type packFile struct {
	*os.File
	alive func() error
}

func (f *packFile) Read(p []byte) (int, error) {
	if err := f.alive(); err != nil {
		return 0, err
	}
	return f.File.Read(p)
}

func (f *packFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.alive(); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *packFile) Lock() error   { return nil }
func (f *packFile) Unlock() error { return nil }

// readPack keeps a pack on disk and makes its index. Objects that are too many or too large are found before they are unpacked into memory.
func readPack(r io.Reader, most limits, alive func() error) (*pack, error) {
	f, err := os.CreateTemp("", "plan-git-")
	if err != nil {
		return nil, fmt.Errorf("keep what the server sends: %w", err)
	}
	_ = os.Remove(f.Name())
	p := &pack{file: &packFile{f, alive}, most: most}
	if err := p.fill(r); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *pack) fill(r io.Reader) error {
	limit := aboutf(invalid, "the server sends more than %d MiB: let the pod fetch it (fetch: pod), or take a smaller repository", p.most.received>>20)
	n, err := io.Copy(p.file.File, &bounded{r: r, left: p.most.received, err: limit})
	if err != nil {
		return fmt.Errorf("receive the files: %w", err)
	}
	if n == 0 {
		return errors.New("receive the files: the server sent nothing")
	}
	for _, step := range []func() error{p.examine, p.parse} {
		if _, err := p.file.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := step(); err != nil {
			return fmt.Errorf("read what the server sent: %w", err)
		}
	}
	return nil
}

// examine reads the pack once and holds none of it.
func (p *pack) examine() error {
	s := packfile.NewScanner(p.file)
	_, count, err := s.Header()
	if err != nil {
		return err
	}
	if count > p.most.objects {
		return aboutf(invalid, "it has %d objects, and %d are taken", count, p.most.objects)
	}
	for range count {
		h, err := s.NextObjectHeader()
		if err != nil {
			return err
		}
		begin := &prefix{}
		size := h.Length
		if _, _, err := s.NextObject(begin); err != nil {
			return err
		}
		if h.Type.IsDelta() {
			size = max(size, begin.target())
		}
		if size > p.most.object {
			return aboutf(invalid, "it has an object of %d MiB, and %d MiB are taken: keep large files out of git, or let the pod fetch it (fetch: pod)",
				size>>20, p.most.object>>20)
		}
	}
	return nil
}

// prefix keeps the first bytes written to it.
type prefix struct {
	b [20]byte
	n int
}

func (p *prefix) Write(b []byte) (int, error) {
	p.n += copy(p.b[p.n:], b)
	return len(b), nil
}

// target is the size that a delta makes: the second of the numbers it begins with, seven bits a byte, the low ones first.
func (p *prefix) target() int64 {
	var size uint64
	for i, number := 0, 0; i < p.n && number < 2; number++ {
		size = 0
		for shift := 0; i < p.n; shift += 7 {
			b := p.b[i]
			i++
			if shift > 56 {
				return 1<<63 - 1
			}
			size |= uint64(b&0x7f) << shift
			if b&0x80 == 0 {
				break
			}
		}
	}
	return int64(size)
}

func (p *pack) parse() error {
	index := new(idxfile.Writer)
	parser, err := packfile.NewParser(packfile.NewScanner(p.file), index)
	if err != nil {
		return err
	}
	if _, err := parser.Parse(); err != nil {
		return err
	}
	if p.index, err = index.Index(); err != nil {
		return err
	}
	p.pack = packfile.NewPackfile(p.index, nil, p.file, 0)
	return nil
}

func (p *pack) has(h plumbing.Hash) bool {
	_, err := p.index.FindOffset(h)
	return err == nil
}

// object gives an object whose content has the hash h.
func (p *pack) object(h plumbing.Hash, want plumbing.ObjectType) (plumbing.EncodedObject, error) {
	o, err := p.pack.Get(h)
	switch {
	case errors.Is(err, plumbing.ErrObjectNotFound):
		return nil, aboutf(invalid, "the server left out %s %s", want, h)
	case err != nil:
		return nil, fmt.Errorf("read %s %s: %w", want, h, err)
	case o.Hash() != h:
		return nil, fmt.Errorf("read %s %s: its content has the hash %s", want, h, o.Hash())
	case o.Type() != want:
		return nil, aboutf(invalid, "%s is a %s and no %s", h, o.Type(), want)
	}
	return o, nil
}

// content is all of a small object: a commit, a folder, a link.
func (p *pack) content(h plumbing.Hash, want plumbing.ObjectType) ([]byte, error) {
	o, err := p.object(h, want)
	if err != nil {
		return nil, err
	}
	if o.Size() > p.most.tree {
		return nil, aboutf(invalid, "%s %s has %d MiB, and %d MiB are taken", want, h, o.Size()>>20, p.most.tree>>20)
	}
	r, err := o.Reader()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func (p *pack) Close() error { return p.file.File.Close() }
