package objectstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"plan/internal/objectstore"
	"plan/internal/retention/retentiontest"
)

// TestProbesAreRemoved: whatever fails, a probe is put below its prefix, read back and deleted, and what stays is said.
func TestProbesAreRemoved(t *testing.T) {
	broken := errors.New("connection reset")
	for name, tc := range map[string]struct {
		fails       map[string]error
		ops         []string
		put, delete error
		reason      string
	}{
		"well":            {nil, []string{"put", "get", "delete"}, nil, nil, "all of it is tried"},
		"may not put":     {map[string]error{"put": objectstore.ErrDenied}, []string{"put"}, objectstore.ErrDenied, nil, "there is nothing to delete"},
		"no bucket":       {map[string]error{"put": objectstore.ErrNoBucket}, []string{"put"}, objectstore.ErrNoBucket, nil, "there is nothing to delete"},
		"no answer":       {map[string]error{"put": broken}, []string{"put", "delete"}, broken, nil, "it may have been stored"},
		"may not read":    {map[string]error{"get": objectstore.ErrDenied}, []string{"put", "get", "delete"}, objectstore.ErrDenied, nil, "it is there and has to go"},
		"may not delete":  {map[string]error{"delete": objectstore.ErrDenied}, []string{"put", "get", "delete"}, nil, objectstore.ErrDenied, "it stays"},
		"neither of them": {map[string]error{"get": broken, "delete": broken}, []string{"put", "get", "delete"}, broken, broken, "it stays"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &retentiontest.Store{Fault: func(_ context.Context, op, _ string) error { return tc.fails[op] }}
			p := objectstore.Try(t.Context(), s, "pv-backups/home/")
			if !errors.Is(p.Put, tc.put) || !errors.Is(p.Delete, tc.delete) || (p.Put == nil) != (tc.put == nil) || (p.Delete == nil) != (tc.delete == nil) {
				t.Errorf("%s: %+v", tc.reason, p)
			}
			var ops []string
			for _, call := range s.Calls() {
				if ops = append(ops, call.Op); call.Key != p.Key || !strings.HasPrefix(call.Key, "pv-backups/home/plan-preflight-") {
					t.Errorf("%s %q", call.Op, call.Key)
				}
			}
			if !slices.Equal(ops, tc.ops) {
				t.Errorf("%s: %q, want %q", tc.reason, ops, tc.ops)
			}
			if stays := len(s.Keys()) > 0; stays != (tc.delete != nil) {
				t.Errorf("%s: %q are left", tc.reason, s.Keys())
			}
		})
	}
}

func TestProbesHaveNamesOfTheirOwn(t *testing.T) {
	s := &retentiontest.Store{}
	if a, b := objectstore.Try(t.Context(), s, ""), objectstore.Try(t.Context(), s, ""); a.Key == b.Key {
		t.Error("two probes have one name")
	}
}

// TestProbesGoWithTheirCaller: who is interrupted leaves nothing behind.
func TestProbesGoWithTheirCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &retentiontest.Store{Fault: func(ctx context.Context, op, _ string) error {
		if op == "get" {
			cancel()
		}
		return ctx.Err()
	}}
	if p := objectstore.Try(ctx, s, ""); !errors.Is(p.Put, context.Canceled) || p.Delete != nil || len(s.Keys()) > 0 {
		t.Errorf("%+v, and %q are left", p, s.Keys())
	}
}

// TestDamageOnTheWayIsSeen: what comes back is compared.
func TestDamageOnTheWayIsSeen(t *testing.T) {
	s := &retentiontest.Store{}
	s.Fault = func(_ context.Context, op, key string) error {
		if op == "get" {
			s.Add(key, []byte("something else"), nil)
		}
		return nil
	}
	if p := objectstore.Try(t.Context(), s, ""); !errors.Is(p.Put, objectstore.ErrDamaged) || len(s.Keys()) > 0 {
		t.Errorf("%+v", p)
	}
}
