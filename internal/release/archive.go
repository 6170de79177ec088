package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one of an archive.
type file struct {
	name, path string // in the archive, and where it is
	mode       int64
}

// writeArchive makes a tar.gz that is a function of the files' names and contents and of date: sorted, all of that time, of owner 0, and
// with nothing of the machine in a header.
func writeArchive(path string, date time.Time, files []file) (err error) {
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
	files = slices.SortedFunc(slices.Values(files), func(a, b file) int { return strings.Compare(a.name, b.name) })
	for _, f := range files {
		if err := addFile(t, f, date); err != nil {
			return fmt.Errorf("archive %s: %w", f.name, err)
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return z.Close()
}

func addFile(t *tar.Writer, f file, date time.Time) error {
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: f.name, Size: info.Size(), Mode: f.mode, ModTime: date.UTC().Truncate(time.Second), Format: tar.FormatUSTAR,
	}
	if err := t.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(t, in)
	return err
}

// writeSums writes SHA256SUMS of all files of a folder, as `sha256sum -c` reads it.
func writeSums(folder string) error {
	list, err := names(folder)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, name := range list {
		sum, err := sumOf(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), []byte(b.String()), 0o644)
}

func sumOf(path string) (string, error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer in.Close()
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
