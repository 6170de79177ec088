package objectstore

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of S3 (user guide, "Naming Amazon S3 objects" and "Working with
// object metadata"); a directory keeps them too, so that a plan may change
// its store.
const (
	maxKey      = 1024
	maxMetadata = 2048
)

// CheckKey refuses with ErrInvalid what is no key anywhere: one that is
// empty, longer than 1024 bytes, not UTF-8, or has a NUL.
func CheckKey(key string) error {
	switch {
	case key == "":
		return fmt.Errorf("%w: a key may not be empty", ErrInvalid)
	case len(key) > maxKey:
		return fmt.Errorf("%w: a key of %d bytes, the limit is %d", ErrInvalid, len(key), maxKey)
	case !utf8.ValidString(key):
		return fmt.Errorf("%w: the key is not UTF-8", ErrInvalid)
	case strings.ContainsRune(key, 0):
		return fmt.Errorf("%w: the key has a NUL character", ErrInvalid)
	}
	return nil
}

// CheckMetadata refuses with ErrInvalid what does not survive as HTTP
// headers: keys other than a-z, 0-9 and "-", values other than printable
// ASCII without blanks at the ends, more than 2048 bytes in all.
func CheckMetadata(meta map[string]string) error {
	total := 0
	for k, v := range meta {
		total += len(k) + len(v)
		if k == "" || strings.Trim(k, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return fmt.Errorf("%w: metadata key %q (allowed: a-z, 0-9, -)", ErrInvalid, k)
		}
		if v != strings.TrimSpace(v) || strings.ContainsFunc(v, notPrintable) {
			return fmt.Errorf("%w: value of metadata %q is not printable ASCII", ErrInvalid, k)
		}
	}
	if total > maxMetadata {
		return fmt.Errorf("%w: metadata of %d bytes, the limit is %d", ErrInvalid, total, maxMetadata)
	}
	return nil
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }

// CheckSize refuses with ErrDamaged a body that is not size bytes long, and
// leaves body at its beginning.
func CheckSize(body io.Seeker, size int64) error {
	end, err := body.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("measure body: %w", err)
	}
	if end != size {
		return fmt.Errorf("%w: %d bytes instead of %d", ErrDamaged, end, size)
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("rewind body: %w", err)
	}
	return nil
}
