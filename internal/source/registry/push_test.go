package registry

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"plan/internal/errclass"
)

// TestWhoMayPushIsFoundOut: without sending anything, and without leaving an upload behind.
func TestWhoMayPushIsFoundOut(t *testing.T) {
	for name, tc := range map[string]struct {
		misbehave http.HandlerFunc
		kind      errclass.Kind
		says      string
	}{
		"allowed":    {nil, errclass.Other, ""},
		"denied":     {answer("POST", "/blobs/uploads/", http.StatusForbidden, "DENIED", "no"), errclass.Denied, "denies the right to push there"},
		"no login":   {answer("POST", "/blobs/uploads/", http.StatusUnauthorized, "UNAUTHORIZED", "who?"), errclass.Denied, "wants a login"},
		"not known":  {answer("POST", "/blobs/uploads/", http.StatusNotFound, "NAME_UNKNOWN", "no such repository"), errclass.NotFound, "create it there"},
		"busy":       {answer("POST", "/blobs/uploads/", http.StatusServiceUnavailable, "UNAVAILABLE", "later"), errclass.Unreachable, "503"},
		"cut":        {cut("POST", "/blobs/uploads/"), errclass.Unreachable, "cannot be reached"},
		"not closed": {answer("DELETE", "/blobs/uploads/", http.StatusMethodNotAllowed, "UNSUPPORTED", "no"), errclass.Other, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, false, tc.misbehave)
			err := MayPush(t.Context(), s.host+"/team/app", none())
			if (err == nil) != (tc.says == "") || errclass.Classify(err).Kind != tc.kind {
				t.Errorf("%v is %s, want %s", err, errclass.Classify(err).Kind, tc.kind)
			}
			if err != nil && !strings.Contains(err.Error(), "push to "+s.host+"/team/app: ") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v does not say %q", err, tc.says)
			}
			if n := s.count("PATCH", "") + s.count("PUT", ""); n > 0 {
				t.Errorf("%d requests send something", n)
			}
			if began, ended := s.count("POST", "/blobs/uploads/"), s.count("DELETE", "/blobs/uploads/"); err == nil && began != ended {
				t.Errorf("%d uploads were begun, %d taken back", began, ended)
			}
		})
	}
}

func TestThePlaceToPushToIsCheckedFirst(t *testing.T) {
	if err := MayPush(t.Context(), "team/app:1", none()); err == nil || !strings.Contains(err.Error(), "it has a tag") {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s := newServer(t, false, nil)
	if err := MayPush(ctx, s.host+"/app", none()); err == nil || s.count("", "") > 0 {
		t.Errorf("an end is not noticed: %v", err)
	}
}

// TestImagesAreLookedForByDigestToo: a digest says what an image is, not that a registry has it.
func TestImagesAreLookedForByDigestToo(t *testing.T) {
	s := newServer(t, false, nil)
	image := linux(t, "amd64")
	ref := s.put(t, "app:1", image)
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		ref   string
		found bool
	}{
		"tag":           {ref, true},
		"no tag":        {s.host + "/app:2", false},
		"digest":        {s.host + "/app@" + digest.String(), true},
		"tag, digest":   {ref + "@" + digest.String(), true},
		"no digest":     {s.host + "/app@sha256:" + strings.Repeat("0", 64), false},
		"no repository": {s.host + "/other:1", false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Find(t.Context(), tc.ref, none())
			if tc.found && (err != nil || got != digest.String()) || !tc.found && errclass.Classify(err).Kind != errclass.NotFound {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
