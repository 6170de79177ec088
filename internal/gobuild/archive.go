package gobuild

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// File is one of an archive, or a folder.
type File struct {
	Name string // in the archive; a folder's ends with a slash
	Path string // where it is; "" for a folder
	Mode int64
}

// WriteArchive makes a tar.gz that is a function of the files' names and contents and of date: sorted, all of that time, of owner 0, and
// with nothing of the machine in a header.
func WriteArchive(path string, date time.Time, files []File) (err error) {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	z, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	files = slices.SortedFunc(slices.Values(files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for _, f := range files {
		if err := addFile(t, f, date); err != nil {
			return fmt.Errorf("archive %s: %w", f.Name, err)
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func addFile(t *tar.Writer, f File, date time.Time) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: f.Mode, ModTime: date.UTC().Truncate(time.Second), Format: tar.FormatUSTAR}
	if strings.HasSuffix(f.Name, "/") {
		header.Typeflag = tar.TypeDir
		return t.WriteHeader(header)
	}
	in, err := os.Open(f.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header.Size = info.Size()
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(t, in)
	return err
}
