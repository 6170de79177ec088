package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"plan/internal/objectstore"
	"plan/internal/objectstore/s3test"
)

func fill(server *s3test.Server, n int) (keys []string) {
	for i := range n {
		key := fmt.Sprintf("p/%05d", i)
		server.Store(key, s3test.Object{Body: []byte("0123456789")})
		keys = append(keys, key)
	}
	return keys
}

// TestListingIsWholeOrAnError: what the server does, and what List must end
// in. No case may end without an error after fewer than ten keys.
func TestListingIsWholeOrAnError(t *testing.T) {
	tests := map[string]struct {
		fault s3test.Fault
		want  error
		code  string
	}{
		"page cut in the middle":           {fault: s3test.Fault{Effect: s3test.CutAnswer}, want: objectstore.ErrIncomplete},
		"connection cut in the middle":     {fault: s3test.Fault{Effect: s3test.CutBody}, want: objectstore.ErrIncomplete},
		"second page cut":                  {fault: s3test.Fault{Effect: s3test.CutAnswer, Skip: 1}, want: objectstore.ErrIncomplete},
		"empty body":                       {fault: s3test.Fault{Effect: s3test.EmptyBody, Skip: 1}, want: objectstore.ErrIncomplete},
		"a page of somebody else":          {fault: s3test.Fault{Effect: s3test.ForeignBody, Skip: 1}, want: objectstore.ErrIncomplete},
		"200 with an error in it":          {fault: s3test.Fault{Effect: s3test.ErrorIn200, Skip: 1}, code: "InternalError"},
		"the same token for ever":          {fault: s3test.Fault{Effect: s3test.RepeatToken, Skip: 1}, want: objectstore.ErrIncomplete},
		"new tokens in a circle":           {fault: s3test.Fault{Effect: s3test.Circle}, want: objectstore.ErrIncomplete},
		"more to come, but no token":       {fault: s3test.Fault{Effect: s3test.NoToken, Skip: 1}, want: objectstore.ErrIncomplete},
		"not a word about more":            {fault: s3test.Fault{Effect: s3test.NoFlag}, want: objectstore.ErrIncomplete},
		"a key outside the prefix":         {fault: s3test.Fault{Effect: s3test.ForeignKey}, want: objectstore.ErrIncomplete},
		"keys out of order":                {fault: s3test.Fault{Effect: s3test.Unsorted}, want: objectstore.ErrIncomplete},
		"access denied":                    {fault: s3test.Fault{Effect: s3test.AccessDenied}, want: objectstore.ErrDenied, code: "AccessDenied"},
		"access denied on the second page": {fault: s3test.Fault{Effect: s3test.AccessDenied, Skip: 1}, want: objectstore.ErrDenied, code: "AccessDenied"},
		"no bucket":                        {fault: s3test.Fault{Effect: s3test.NoSuchBucket}, want: objectstore.ErrNoBucket, code: "NoSuchBucket"},
		"slow down for ever":               {fault: s3test.Fault{Effect: s3test.SlowDown, Skip: 1}, code: "SlowDown"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			server, store := fake(t)
			fill(server, 10)
			server.PageLimit = 4
			tc.fault.Op = s3test.List
			server.Inject(tc.fault)
			var errs []error
			for _, err := range store.List(t.Context(), "p/", objectstore.ListOptions{}) {
				if err != nil {
					errs = append(errs, err)
				}
			}
			var e *objectstore.Error
			if len(errs) != 1 || !errors.As(errs[0], &e) || tc.want != nil && !errors.Is(e, tc.want) || e.Code != tc.code {
				t.Fatalf("errors %v; want one, %v, code %q", errs, tc.want, tc.code)
			}
			if e.Op != "list" || !strings.Contains(e.Error(), "s3://bucket at http://127.0.0.1") {
				t.Errorf("the error does not say where: %v", e)
			}
		})
	}
}

func TestFaultsThatPassAreNotSeen(t *testing.T) {
	for _, effect := range []s3test.Effect{s3test.SlowDown, s3test.ErrorIn200, s3test.ResetBefore, s3test.ResetAfter} {
		t.Run(string(effect), func(t *testing.T) {
			server, store := fake(t)
			keys := fill(server, 10)
			for _, op := range []s3test.Op{s3test.List, s3test.Get, s3test.Head, s3test.Put, s3test.Deletes} {
				if (op == s3test.Get || op == s3test.Head) && effect == s3test.ErrorIn200 {
					continue // a body like any other, or none
				}
				server.Inject(s3test.Fault{Op: op, Effect: effect, Times: 2})
			}
			n := 0
			for _, err := range store.List(t.Context(), "p/", objectstore.ListOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				n++
			}
			_, head := store.Head(t.Context(), keys[0])
			body, _, get := store.Get(t.Context(), keys[0], 0, -1)
			if get == nil {
				body.Close()
			}
			put := store.Put(t.Context(), "new", strings.NewReader("x"), 1, objectstore.PutOptions{})
			if err := errors.Join(head, get, put, store.Delete(t.Context(), keys)); err != nil || n != 10 {
				t.Errorf("%d keys listed, error %v", n, err)
			}
			if left := len(server.Objects()); left != 1 {
				t.Errorf("%d objects left, want the new one", left)
			}
		})
	}
}

func TestABodyThatBreaksOffIsAnError(t *testing.T) {
	server, store := fake(t)
	key := fill(server, 1)[0]
	server.Inject(s3test.Fault{Op: s3test.Get, Effect: s3test.CutBody})
	body, _, err := store.Get(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if e := (*objectstore.Error)(nil); !errors.Is(err, io.ErrUnexpectedEOF) || !errors.As(err, &e) || len(data) != 5 {
		t.Errorf("%q, error %v", data, err)
	}
}

func TestAnAnswerThatNeverComesEndsWithTheContext(t *testing.T) {
	server, store := fake(t)
	server.Inject(s3test.Fault{Effect: s3test.Hang})
	ctx, cancel := context.WithCancelCause(t.Context())
	calls := map[string]func() error{
		"head":   func() error { _, err := store.Head(ctx, "k"); return err },
		"put":    func() error { return store.Put(ctx, "k", strings.NewReader("x"), 1, objectstore.PutOptions{}) },
		"delete": func() error { return store.Delete(ctx, []string{"k"}) },
		"list": func() (last error) {
			for _, last = range store.List(ctx, "", objectstore.ListOptions{}) {
			}
			return last
		},
	}
	results := make(chan error)
	for _, call := range calls {
		go func() { results <- call() }()
	}
	for server.Calls(s3test.Head) == 0 || server.Calls(s3test.Put) == 0 || server.Calls(s3test.Deletes) == 0 || server.Calls(s3test.List) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("the requests did not arrive")
		}
		time.Sleep(time.Millisecond)
	}
	cancel(nil)
	for range calls {
		if err := <-results; !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want the context's", err)
		}
	}
}

func TestDeleteReportsEachKey(t *testing.T) {
	server, store := fake(t)
	keys := fill(server, 1203)
	server.Inject(s3test.Fault{Op: s3test.Deletes, Key: keys[3]})
	server.Inject(s3test.Fault{Op: s3test.Deletes, Key: keys[1100]})
	err := store.Delete(t.Context(), keys)
	kept := objectstore.Undeleted(err)
	if len(kept) != 2 || kept[0].Key != keys[3] || kept[1].Key != keys[1100] || !errors.Is(err, objectstore.ErrDenied) {
		t.Errorf("error %v", err)
	}
	if n := len(server.Objects()); n != 2 || server.Calls(s3test.Deletes) != 2 {
		t.Errorf("%d objects left, %d requests; want 2 and 2", n, server.Calls(s3test.Deletes))
	}
}

func TestDeleteEndsAtARequestThatFails(t *testing.T) {
	for _, effect := range []s3test.Effect{s3test.AccessDenied, s3test.EmptyBody, s3test.ForeignBody, s3test.NoSuchBucket} {
		server, store := fake(t)
		keys := fill(server, 2500)
		server.Inject(s3test.Fault{Op: s3test.Deletes, Effect: effect, Skip: 1})
		err := store.Delete(t.Context(), keys)
		kept := objectstore.Undeleted(err)
		if len(kept) != 1500 || kept[0].Key != keys[1000] {
			t.Errorf("%s: %d keys reported, want 1500: %v", effect, len(kept), err)
		}
		if n := len(server.Objects()); n != 1500 || server.Calls(s3test.Deletes) != 2 || len(err.Error()) > 2000 {
			t.Errorf("%s: %d objects left, %d requests: %v", effect, n, server.Calls(s3test.Deletes), err)
		}
	}
}

func TestDeleteWithoutDeleteObjects(t *testing.T) {
	server, store := fake(t)
	keys := fill(server, 100)
	server.Inject(s3test.Fault{Op: s3test.Deletes, Effect: s3test.NotImplemented})
	server.Inject(s3test.Fault{Op: s3test.Delete, Effect: s3test.AccessDenied, Key: keys[7]})
	kept := objectstore.Undeleted(store.Delete(t.Context(), keys))
	if len(kept) != 1 || kept[0].Key != keys[7] || !errors.Is(kept[0], objectstore.ErrDenied) || len(server.Objects()) != 1 {
		t.Errorf("%d objects left, errors %v", len(server.Objects()), kept)
	}
}
