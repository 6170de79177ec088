package gobuild

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Unpack puts the source of a commit into a folder that does not exist. What is not committed is not in it.
func (t *Tools) Unpack(ctx context.Context, commit, folder string) error {
	data, err := Output(ctx, t.Top, nil, "git", "archive", "--format=tar", commit)
	if err != nil {
		return err
	}
	return untar(bytes.NewReader(data), folder)
}

// untar unpacks files and folders; the repository has nothing else.
func untar(in io.Reader, folder string) error {
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	for t := tar.NewReader(in); ; {
		header, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch header.Typeflag {
		case tar.TypeXGlobalHeader:
		case tar.TypeDir:
			err = root.MkdirAll(strings.TrimSuffix(header.Name, "/"), 0o755)
		case tar.TypeReg:
			err = writeFile(root, header, t)
		default:
			err = fmt.Errorf("unpack %s: neither a file nor a folder", header.Name)
		}
		if err != nil {
			return err
		}
	}
}

func writeFile(root *os.Root, header *tar.Header, in io.Reader) error {
	out, err := root.OpenFile(header.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, os.FileMode(header.Mode).Perm()|0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
