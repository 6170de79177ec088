package objectstore

import (
	"errors"
	"fmt"
	"testing"
)

// An error of Delete is one line that names each key and each cause once.
func TestErrorOfDelete(t *testing.T) {
	refused := func(key string) *DeleteError {
		return &DeleteError{Key: key, Err: &Error{Op: "delete", Store: "dir:/b", Key: key, Err: ErrDenied}}
	}
	whole := &Error{Op: "delete", Store: "dir:/b", Err: ErrNoBucket}
	plain := errors.New("out of paper")
	var many []*DeleteError
	for i := range 5 {
		many = append(many, &DeleteError{Key: fmt.Sprint("k", i), Err: whole})
	}
	var causes []*DeleteError
	for i := range 5 {
		causes = append(causes, &DeleteError{Key: fmt.Sprint("k", i), Err: fmt.Errorf("cause %d", i)})
	}
	tests := map[string]struct {
		errs []*DeleteError
		want string
	}{
		"one":          {[]*DeleteError{refused("a")}, `delete "a" in dir:/b: access denied`},
		"same cause":   {[]*DeleteError{refused("a"), refused("b")}, `delete "a", "b" in dir:/b: access denied`},
		"two causes":   {[]*DeleteError{refused("a"), {Key: "b", Err: plain}}, `delete "a" in dir:/b: access denied; delete "b": out of paper`},
		"many":         {many, `delete "k0", "k1", "k2" and 2 more in dir:/b: no such bucket`},
		"many causes":  {causes, `delete "k0": cause 0; delete "k1": cause 1; delete "k2": cause 2; and 2 more causes`},
		"nothing left": {nil, ""},
	}
	for name, tc := range tests {
		err := JoinDelete(tc.errs)
		if tc.want == "" && err != nil || tc.want != "" && (err == nil || err.Error() != tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
		if len(Undeleted(err)) != len(tc.errs) {
			t.Errorf("%s: %d keys", name, len(Undeleted(err)))
		}
	}
	if err := JoinDelete(many); !errors.Is(err, ErrNoBucket) || many[1].Error() != `delete "k1" in dir:/b: no such bucket` {
		t.Errorf("%v; %v", err, many[1])
	}
}
