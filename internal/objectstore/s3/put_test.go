package s3

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"plan/internal/objectstore"
	"plan/internal/objectstore/s3test"
)

type putCase struct {
	faults []s3test.Fault
	exists bool // before
	want   error
	code   string
	stored string // after
	puts   int
	reason string
}

func putCases() map[string]putCase {
	const header = "If-None-Match"
	return map[string]putCase{
		"a server without If-None-Match (501)": {
			faults: []s3test.Fault{{Effect: s3test.NotImplemented, Header: header}}, stored: "body", puts: 3,
			reason: "without the checksum, without the header",
		},
		"a server without If-None-Match (400)": {
			faults: []s3test.Fault{{Effect: s3test.InvalidArgument, Header: header}}, stored: "body", puts: 3,
		},
		"a server without it, and the key exists": {
			faults: []s3test.Fault{{Effect: s3test.NotImplemented, Header: header}}, exists: true, want: objectstore.ErrExists, stored: "old", puts: 2,
			reason: "the HEAD finds it",
		},
		"a server without it, and HEAD is forbidden": {
			faults: []s3test.Fault{{Effect: s3test.NotImplemented, Header: header}, {Op: s3test.Head, Effect: s3test.AccessDenied}},
			exists: true, want: objectstore.ErrDenied, code: "Forbidden", stored: "old", puts: 2,
			reason: "nobody says the key is free",
		},
		"a server without checksums": {
			faults: []s3test.Fault{{Effect: s3test.NotImplemented, Header: "X-Amz-Checksum-Sha256"}}, exists: true, want: objectstore.ErrExists,
			code: "PreconditionFailed", stored: "old", puts: 2, reason: "If-None-Match is kept",
		},
		"a conflict that passes":         {faults: []s3test.Fault{{Effect: s3test.Conflict, Times: 2}}, stored: "body", puts: 3},
		"a conflict that stays":          {faults: []s3test.Fault{{Effect: s3test.Conflict}}, code: "ConditionalRequestConflict", puts: 4},
		"executed, answer lost":          {faults: []s3test.Fault{{Effect: s3test.ResetAfter, Times: 1}}, want: objectstore.ErrExists, code: "PreconditionFailed", stored: "body", puts: 2, reason: "the caller finds its own object"},
		"the key exists":                 {exists: true, want: objectstore.ErrExists, code: "PreconditionFailed", stored: "old", puts: 1},
		"access denied":                  {faults: []s3test.Fault{{Effect: s3test.AccessDenied}}, want: objectstore.ErrDenied, code: "AccessDenied", puts: 1},
		"no bucket":                      {faults: []s3test.Fault{{Effect: s3test.NoSuchBucket}}, want: objectstore.ErrNoBucket, code: "NoSuchBucket", puts: 1},
		"400 whatever the headers":       {faults: []s3test.Fault{{Effect: s3test.InvalidArgument}}, code: "InvalidArgument", puts: 3},
		"three bytes stored, answer 200": {faults: []s3test.Fault{{Effect: s3test.StoreShort}}, stored: "bod", puts: 1, reason: "only reading back tells"},
	}
}

func TestPutUnderFaults(t *testing.T) {
	for name, tc := range putCases() {
		t.Run(name, func(t *testing.T) {
			server, store := fake(t)
			if tc.exists {
				server.Store("k", s3test.Object{Body: []byte("old")})
			}
			for _, f := range tc.faults {
				if f.Op == "" {
					f.Op = s3test.Put
				}
				server.Inject(f)
			}
			o := objectstore.PutOptions{IfAbsent: true, SHA256: sha256.Sum256([]byte("body"))}
			err := store.Put(t.Context(), "k", bytes.NewReader([]byte("body")), 4, o)
			if tc.want != nil && !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil && tc.code == "") {
				t.Errorf("error %v, want %v (%s)", err, tc.want, tc.reason)
			}
			if e := (*objectstore.Error)(nil); errors.As(err, &e) && e.Code != tc.code || !errors.As(err, &e) && tc.code != "" {
				t.Errorf("error %v, want code %q", err, tc.code)
			}
			if got := string(server.Objects()["k"].Body); got != tc.stored {
				t.Errorf("stored %q, want %q (%s)", got, tc.stored, tc.reason)
			}
			if n := server.Calls(s3test.Put); n != tc.puts {
				t.Errorf("%d puts, want %d", n, tc.puts)
			}
		})
	}
}
