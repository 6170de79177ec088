package gitrepo

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/errclass"
)

func TestWhatAReferenceStandsForIsFetched(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	for ref, want := range map[string]string{
		"": r.second, "HEAD": r.second, "main": r.second, "feature/reports": r.second, "refs/heads/main": r.second, "heads/main": r.second,
		"light": r.first, "v1.0": r.first, "refs/tags/v1.0": r.first, "tags/v1.0": r.first, r.first: r.first,
	} {
		t.Run(ref, func(t *testing.T) {
			got, err := Resolve(t.Context(), u, ref, o)
			if err != nil || got != want {
				t.Fatalf("Resolve(%q) = %s, %v, want %s", ref, got, err, want)
			}
			dir := t.TempDir()
			done, err := Fetch(t.Context(), u, got, dir, o)
			if err != nil {
				t.Fatal(err)
			}
			files, notes := map[string]string{"README.md": "-rw first\n"}, Fetched{Files: 1, Bytes: 6}
			if want == r.second {
				files, notes = r.want(), Fetched{Files: 7, Bytes: 5143, Submodules: []string{"sub/module"}, LFS: []string{"sub/pointer.bin"}}
			}
			if diff := cmp.Diff(files, tree(t, dir)); diff != "" {
				t.Errorf("files, -want +got:\n%s", diff)
			}
			if diff := cmp.Diff(notes, done); diff != "" {
				t.Errorf("Fetched, -want +got:\n%s", diff)
			}
		})
	}
}

// recorder keeps the requests for files and the sizes of their answers.
type recorder struct {
	http.Handler
	mu       sync.Mutex
	requests []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method == http.MethodPost {
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(bytes.NewReader(body))
		r.mu.Lock()
		r.requests = append(r.requests, string(body))
		r.mu.Unlock()
	}
	r.Handler.ServeHTTP(w, req)
}

// last is what was asked for last: its wants, and whether it alone.
func (r *recorder) last() (wants int, alone bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.requests[len(r.requests)-1]
	return strings.Count(last, "want "), strings.Contains(last, "deepen 1")
}

func TestOneCommitIsAskedForWhereTheServerGivesIt(t *testing.T) {
	r := newRepository(t)
	hidden := git(t, r.dir, "", "commit-tree", "-p", r.first, "-p", r.second, "-m", "hidden", r.first+"^{tree}")
	middle := git(t, r.dir, "", "commit-tree", "-p", r.second, "-m", "middle", r.first+"^{tree}")
	git(t, r.dir, "", "update-ref", "refs/heads/top", git(t, r.dir, "", "commit-tree", "-p", middle, "-m", "top", r.second+"^{tree}"))
	for name, tc := range map[string]struct {
		config map[string]string
		commit string
		alone  bool
		want   string
	}{
		"tip of a branch":                    {nil, r.second, true, ""},
		"tag":                                {nil, r.first, true, ""},
		"behind a branch":                    {nil, middle, false, ""},
		"behind a branch, and it is allowed": {map[string]string{"uploadpack.allowReachableSHA1InWant": "true"}, middle, true, ""},
		"nowhere":                            {nil, hidden, false, "no branch or tag leads to it"},
		"nowhere, and it is allowed":         {map[string]string{"uploadpack.allowAnySHA1InWant": "true"}, hidden, true, ""},
		"nowhere, reachable is allowed":      {map[string]string{"uploadpack.allowReachableSHA1InWant": "true"}, hidden, true, "no branch or tag leads to it"},
		"not there at all":                   {nil, strings.Repeat("a", 40), false, "no branch or tag leads to it"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range tc.config {
				r.config(t, k, v)
				defer git(t, r.dir, "", "config", "--unset", k)
			}
			rec := &recorder{Handler: r.handler(t)}
			u, o := serve(t, rec)
			files, err := fetched(t, u, tc.commit, o)
			if wants, alone := rec.last(); alone != tc.alone || alone && wants != 1 {
				t.Errorf("%d commits were asked for, without history: %v", wants, alone)
			}
			if tc.want != "" {
				if err == nil || !strings.Contains(err.Error(), tc.want) || errclass.Classify(err).Kind != errclass.NotFound {
					t.Errorf("error %v does not say %q", err, tc.want)
				}
				return
			}
			want := map[string]string{"README.md": "-rw first\n"}
			if tc.commit == r.second {
				want = r.want()
			}
			if diff := cmp.Diff(want, files); err != nil || diff != "" {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestAFolderOfTheCommit(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	for path, want := range map[string]string{
		"sub": "", "sub/deep": "", ".": "", "subs": `did you mean "sub"?`, "sub/none": "has no folder", "README.md": "is a file or a link", "link": "is a file or a link",
		"sub/module": "is a submodule", "sub/deep/x": "has no folder",
	} {
		t.Run(path, func(t *testing.T) {
			o := o
			o.Path = path
			files, err := fetched(t, u, "main", o)
			if want != "" {
				if err == nil || !strings.Contains(err.Error(), want) || errclass.Classify(err).Class != errclass.Final {
					t.Errorf("error %v does not say %q", err, want)
				}
				return
			}
			below := map[string]string{}
			for name, content := range r.want() {
				if rest, ok := strings.CutPrefix("./"+name, strings.TrimSuffix("./"+path, "/.")+"/"); ok {
					below[rest] = content
				}
			}
			if diff := cmp.Diff(below, files); err != nil || diff != "" {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestATagIsNoCommit(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	tag := git(t, r.dir, "", "rev-parse", "v1.0")
	if _, err := fetched(t, u, tag, o); err == nil || !strings.Contains(err.Error(), "is a tag and no commit") {
		t.Errorf("%v", err)
	}
	blob := r.blob(t, "x")
	git(t, r.dir, "", "update-ref", "refs/tags/blob", blob)
	if _, err := fetched(t, u, "blob", o); err == nil || !strings.Contains(err.Error(), "is a blob and no commit") {
		t.Errorf("%v", err)
	}
}

// Between the list and the request a branch may move.
func TestABranchThatMovesMeanwhileIsWorthAnotherTry(t *testing.T) {
	r := newRepository(t)
	tip := git(t, r.dir, "", "commit-tree", "-p", r.second, "-m", "tip", r.first+"^{tree}")
	git(t, r.dir, "", "update-ref", "refs/heads/moving", tip)
	h := r.handler(t)
	u, o := serve(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			git(t, r.dir, "", "update-ref", "refs/heads/moving", r.second)
		}
		h.ServeHTTP(w, req)
	}))
	_, err := Fetch(t.Context(), u, tip, t.TempDir(), o)
	if got := errclass.Classify(err); got.Class != errclass.Transient || !strings.Contains(err.Error(), "moved meanwhile") {
		t.Errorf("%v is %+v", err, got)
	}
}
