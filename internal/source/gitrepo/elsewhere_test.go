package gitrepo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/errclass"
)

func TestARenamedRepositoryIsFollowedOnItsServer(t *testing.T) {
	r := newRepository(t)
	h := r.handler(t)
	u, o := serve(t, withPassword(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if rest, ok := strings.CutPrefix(req.URL.Path, "/old/name"); ok {
			http.Redirect(w, req, "/group/repo.git"+rest+"?"+req.URL.RawQuery, http.StatusMovedPermanently)
			return
		}
		h.ServeHTTP(w, req)
	}), "git", "geheim"))
	u.path, o.Password = "/old/name", "geheim"
	files, err := fetched(t, u, "main", o)
	if diff := cmp.Diff(r.want(), files); err != nil || diff != "" {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}

func TestRedirectsLeadToNoOtherServer(t *testing.T) {
	var asked atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer other.Close()
	otherTLS := httptest.NewTLSServer(other.Config.Handler)
	defer otherTLS.Close()
	for name, to := range map[string]string{
		"another port":     otherTLS.URL + "/group/repo.git/info/refs",
		"in clear":         other.URL + "/group/repo.git/info/refs",
		"another name":     strings.Replace(otherTLS.URL, "127.0.0.1", "localhost", 1) + "/group/repo.git/info/refs",
		"a login page":     "/login",
		"round and round":  "/group/repo.git/info/refs",
		"another scheme":   "ftp://127.0.0.1/group/repo.git/info/refs",
		"to a hidden name": "https://h\u202e/info/refs",
	} {
		t.Run(name, func(t *testing.T) {
			u, o := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Location"] = []string{to}
				w.WriteHeader(http.StatusFound)
			}))
			o.Password = "geheim"
			_, err := Resolve(t.Context(), u, "", o)
			if err == nil || !strings.Contains(err.Error(), "redirect") && !strings.Contains(err.Error(), "Location") || strings.ContainsAny(err.Error(), "\x1b\r\n") {
				t.Fatalf("error %q", err)
			}
			if got := errclass.Classify(err); got.Class == errclass.Transient {
				t.Errorf("%v is %+v", err, got)
			}
		})
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("another server was asked %d times", n)
	}
}

// The request for files is answered by the server that gave the list, or not at all.
func TestThePostIsNotRedirected(t *testing.T) {
	r := newRepository(t)
	h := r.handler(t)
	u, o := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			http.Redirect(w, req, "/group/repo.git/info/refs", http.StatusTemporaryRedirect)
			return
		}
		h.ServeHTTP(w, req)
	}))
	if _, err := Fetch(t.Context(), u, r.second, t.TempDir(), o); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("%v", err)
	}
}

func TestAHangingServerEndsWithTheContext(t *testing.T) {
	r := newRepository(t)
	h := r.handler(t)
	for name, hangs := range map[string]func(w http.ResponseWriter, req *http.Request, wait func()){
		"before the answer": func(_ http.ResponseWriter, _ *http.Request, wait func()) { wait() },
		"in the list": func(w http.ResponseWriter, _ *http.Request, wait func()) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			fmt.Fprint(w, pkt("# service=git-upload-pack\n"))
			_ = http.NewResponseController(w).Flush()
			wait()
		},
		"in the files": func(w http.ResponseWriter, req *http.Request, wait func()) {
			if req.Method == http.MethodGet {
				h.ServeHTTP(w, req)
				return
			}
			w.Header().Set("Content-Type", "application/x-git-upload-pack-result")
			fmt.Fprint(w, "0000"+pkt("NAK\n")+pkt("\x01PACK\x00\x00\x00\x02\x00\x00\x00\x05"))
			_ = http.NewResponseController(w).Flush()
			wait()
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			u, o := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				hangs(w, req, func() {
					cancel()
					<-req.Context().Done()
				})
			}))
			_, err := Fetch(ctx, u, r.second, t.TempDir(), o)
			if err == nil || !strings.Contains(err.Error(), context.Canceled.Error()) || errclass.Classify(err) != (errclass.Fault{}) {
				t.Errorf("%v", err)
			}
		})
	}
}

// The answer to the list is not the answer to the request: whatever else a server sends, it is not written.
func TestAnotherCommitThanTheOneAskedForIsRefused(t *testing.T) {
	asked, other := newRepository(t), newRepository(t)
	h, liar := asked.handler(t), other.handler(t)
	git(t, other.dir, "", "update-ref", "refs/heads/main", git(t, other.dir, "", "commit-tree", "-m", "evil", other.first+"^{tree}"))
	evil := git(t, other.dir, "", "rev-parse", "main")
	u, o := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodGet {
			h.ServeHTTP(w, req)
			return
		}
		body, _ := io.ReadAll(req.Body)
		swapped := strings.ReplaceAll(string(body), asked.second, evil)
		req.Body, req.ContentLength = io.NopCloser(strings.NewReader(swapped)), int64(len(swapped))
		liar.ServeHTTP(w, req)
	}))
	dir := t.TempDir()
	_, err := Fetch(t.Context(), u, asked.second, dir, o)
	if err == nil || !strings.Contains(err.Error(), "sent something else") || errclass.Classify(err).Class != errclass.Final {
		t.Errorf("%v", err)
	}
	if files := tree(t, dir); len(files) != 0 {
		t.Errorf("written: %v", files)
	}
}
