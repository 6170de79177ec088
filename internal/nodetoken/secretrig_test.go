package nodetoken

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"k8s.io/client-go/rest"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

// front is an API server in memory behind a proxy that can be told to misbehave.
type front struct {
	server *kubetest.Server
	fault  func(w http.ResponseWriter, r *http.Request, nth int) bool // true: answered; nth counts writes, from 1
	writes int
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		f.writes++
	}
	if f.fault == nil || !f.fault(w, r, f.writes) {
		f.server.ServeHTTP(w, r)
	}
}

// always answers every request with a status; onWrite does what do says to the nth write.
func (f *front) always(code int) func() {
	return func() {
		f.fault = func(w http.ResponseWriter, _ *http.Request, _ int) bool { answer(w, code); return true }
	}
}

func (f *front) onWrite(nth int, do func(w http.ResponseWriter, r *http.Request)) func() {
	return func() {
		f.writes = 0
		f.fault = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if r.Method == http.MethodGet || nth != 0 && n != nth {
				return false
			}
			do(w, r)
			return true
		}
	}
}

// lost executes a write and never answers it.
func (f *front) lost(_ http.ResponseWriter, r *http.Request) {
	f.server.ServeHTTP(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// lostAndGone is lost for the nth write, and no answer to anything after it.
func (f *front) lostAndGone(nth int) func() {
	return func() {
		f.writes = 0
		f.fault = func(w http.ResponseWriter, r *http.Request, n int) bool {
			if n < nth {
				return false
			}
			if r.Method == http.MethodGet {
				panic(http.ErrAbortHandler)
			}
			f.lost(w, r)
			return true
		}
	}
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { answer(w, code) }
}

func answer(w http.ResponseWriter, code int) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","code":%d}`, code)
}

func secretRig(t *testing.T) *rig {
	s := kubetest.New(t)
	s.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", `{"metadata":{"name":"other","namespace":"backup"},"data":{"token":"eA=="}}`)
	const path = "/api/v1/namespaces/backup/secrets/node-token"
	f := &front{server: s}
	proxy := httptest.NewServer(f)
	t.Cleanup(proxy.Close)
	client, err := kube.New(&rest.Config{Host: proxy.URL}, "test", "default")
	if err != nil {
		t.Fatal(err)
	}
	return &rig{
		open: func(t *testing.T) Place {
			return mustOpen(t, To{Kubernetes: &Kubernetes{Namespace: "backup", Name: "node-token"}}, Options{Kube: client})
		},
		set: func(name, value string) {
			setKey(t, s, path, name, base64.StdEncoding.EncodeToString([]byte(value)))
		},
		name: func(slot string) string { return slotName("token", slot) },
		kept: func(t *testing.T) map[string]any {
			all := map[string]any{}
			for key, value := range dataOf(s, path) {
				plain, err := base64.StdEncoding.DecodeString(value)
				if err != nil {
					t.Fatal(err)
				}
				all[key] = string(plain)
			}
			return all
		},
		heal: func() { f.fault = nil },
		faults: map[string]func(){
			"denied":                      f.always(403),
			"may not write":               f.onWrite(0, status(403)),
			"unreachable":                 f.always(503),
			"create lost":                 f.onWrite(1, f.lost),
			"create fails":                f.onWrite(1, status(500)),
			"update lost":                 f.onWrite(2, f.lost),
			"update fails":                f.onWrite(2, status(500)),
			"all lost":                    f.onWrite(0, f.lost),
			"create lost, then no answer": f.lostAndGone(1),
			"update lost, then no answer": f.lostAndGone(2),
			"429 on the create": f.onWrite(1, func(w http.ResponseWriter, r *http.Request) {
				f.writes, f.fault = 0, nil
				w.Header().Set("Retry-After", "0")
				answer(w, 429)
			}),
			"conflict": f.onWrite(1, status(409)),
		},
	}
}

func dataOf(s *kubetest.Server, path string) map[string]string {
	var object struct{ Data map[string]string }
	_ = json.Unmarshal([]byte(s.Objects()[path]), &object)
	return object.Data
}

// setKey writes a key as somebody else does, whose Secret has a label of theirs.
func setKey(t *testing.T, s *kubetest.Server, path, key, value string) {
	t.Helper()
	all := dataOf(s, path)
	method, at := http.MethodPut, path
	if all == nil {
		all, method, at = map[string]string{}, http.MethodPost, filepath.Dir(path)
	}
	all[key] = value
	body, _ := json.Marshal(map[string]any{"metadata": map[string]any{"name": "node-token", "namespace": "backup",
		"labels": map[string]string{"theirs": "kept"}}, "data": all})
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequest(method, at, bytes.NewReader(body)))
	if rec.Code >= 300 {
		t.Fatal(rec.Body.String())
	}
}
