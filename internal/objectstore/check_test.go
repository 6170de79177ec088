package objectstore

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestErrorsSayWhereAndKeepTheirCause(t *testing.T) {
	err := error(&Error{Op: "get", Store: "dir:/b", Key: "a\x1b[31m", Err: io.ErrUnexpectedEOF})
	if want := `get "a\x1b[31m" in dir:/b: unexpected EOF`; err.Error() != want || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestManyUndeletedKeysAreOneShortText(t *testing.T) {
	if JoinDelete(nil) != nil || Undeleted(nil) != nil || Undeleted(io.EOF) != nil {
		t.Error("an error where there is none")
	}
	var errs []*DeleteError
	for range 5000 {
		errs = append(errs, &DeleteError{Key: "k", Err: ErrDenied})
	}
	err := JoinDelete(errs)
	if len(Undeleted(err)) != 5000 || !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "and 4997 more: ") || len(err.Error()) > 300 {
		t.Errorf("%v", err)
	}
	var one *DeleteError
	if !errors.As(err, &one) || one.Key != "k" {
		t.Errorf("no *DeleteError in %T", err)
	}
}
