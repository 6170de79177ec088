// Package kubetest is an API server in memory that can be told to misbehave.
//
// It stands in for client-go's fakes, whose object tracker hands out typed objects and knows no pages: what reads the server's own
// JSON, with fields no library knows, page by page, has to meet JSON, real `limit` and `continue`, and bodies that are cut.
package kubetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"

	"plan/internal/kube"
	"plan/internal/objects"
)

// UID and Version are what every Server answers.
const (
	UID     = "5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11"
	Version = "v1.35.4+k3s1"
)

// Request is one request that came in.
type Request struct{ Method, Path, Query string }

// Server answers reads and writes of the resources it knows; it knows those that Kubernetes has built in and that backups need, each empty
// but for the namespace kube-system. Other resources are served once something was added, as after the installation of a CRD.
type Server struct {
	http *httptest.Server

	mu        sync.Mutex
	version   int
	lists     map[string]*list // by the path of the list over all namespaces
	snapshots map[string][]string
	faults    []*Fault
	requests  []Request
	binds     bool // see BindVolumes
	logs      map[string]*Log
	warnings  []string // of the answer that is being made

	compacted int           // events up to this version are forgotten
	changed   chan struct{} // closed and replaced at each change
	dropped   chan struct{} // closed and replaced by Drop

	// React may be nil. It is what admission and controllers do: it may change an object (by its kind) before it is stored or, with an
	// error, refuse it.
	React func(verb, kind string, object map[string]any) error

	// Warn may be nil. It gives what the server warns of when an object is created or updated, as admission has it.
	Warn func(kind string, object map[string]any) []string

	// Allow answers what a client asks about its rights; nil: it has all.
	Allow func(kube.Access) bool
}

// list is one resource.
type list struct {
	apiVersion, kind string
	items            []string
	events           []event
}

// New serves until the test ends.
func New(t testing.TB) *Server {
	s := &Server{version: 1000, lists: map[string]*list{}, snapshots: map[string][]string{}, changed: make(chan struct{}), dropped: make(chan struct{})}
	s.Add(kube.Resource{Version: "v1", Resource: "namespaces"}, "Namespace",
		`{"metadata":{"name":"kube-system","uid":"`+UID+`","labels":{"kubernetes.io/metadata.name":"kube-system"}}}`)
	s.Add(kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume")
	s.Add(kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}, "PersistentVolumeClaim")
	s.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret")
	s.Add(kube.Resource{Version: "v1", Resource: "nodes"}, "Node")
	s.Add(kube.Resource{Version: "v1", Resource: "pods"}, "Pod")
	s.Add(kube.Resource{Version: "v1", Resource: "configmaps"}, "ConfigMap")
	s.Add(kube.Resource{Group: "batch", Version: "v1", Resource: "jobs"}, "Job")
	s.Add(kube.Resource{Group: "apps", Version: "v1", Resource: "deployments"}, "Deployment")
	s.Add(kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, "StorageClass")
	s.Add(kube.Resource{Group: "storage.k8s.io", Version: "v1", Resource: "volumeattachments"}, "VolumeAttachment")
	s.http = httptest.NewServer(s)
	t.Cleanup(s.http.Close)
	return s
}

// Add makes a resource known and adds objects to it: JSON as a list of the server would have it, so for built-in resources
// without apiVersion and kind.
func (s *Server) Add(r kube.Resource, kind string, objects ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.Namespace = ""
	l := s.lists[r.Path()]
	if l == nil {
		l = &list{apiVersion: r.APIVersion(), kind: kind}
		s.lists[r.Path()] = l
	}
	l.items = append(l.items, objects...)
	for _, object := range objects {
		s.version++
		s.happened(l, "ADDED", object)
	}
}

// Config is how to connect to the server.
func (s *Server) Config() *rest.Config { return &rest.Config{Host: s.http.URL} }

// Client is connected to the server.
func (s *Server) Client(t testing.TB) *kube.Client {
	t.Helper()
	c, err := kube.New(s.Config(), "test", "default")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Objects are all objects, by the path of each.
func (s *Server) Objects() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]string{}
	for path, l := range s.lists {
		for _, item := range l.items {
			all[one(path, metadata(item))] = item
		}
	}
	return all
}

// one is the path of one object of a list over all namespaces.
func one(list string, m meta) string {
	if m.Namespace != "" {
		i := strings.LastIndexByte(list, '/')
		list = list[:i] + "/namespaces/" + m.Namespace + list[i:]
	}
	return list + "/" + m.Name
}

// Requests is what came in so far.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests, s.warnings = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery}), nil
	f := s.fault(r)
	switch {
	case f != nil && f.Status != 0:
		f.answer(w)
	case r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/log"):
		s.serveLog(w, r, f)
	case r.Method == http.MethodGet && r.URL.Query().Has("watch"):
		budget := 0
		if f != nil {
			budget = f.Cut
		}
		s.watch(w, r, budget)
	default:
		code, body := s.serve(r)
		if f != nil && f.Cut > 0 && f.Cut < len(body) {
			cut(w, body[:f.Cut], len(body), f.Honest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		for _, text := range s.warnings {
			w.Header().Add("Warning", fmt.Sprintf("299 - %q", text))
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(body))
	}
}

// serve reads or writes. A write that meets a fault with Cut is executed.
func (s *Server) serve(r *http.Request) (int, string) {
	if r.Method == http.MethodGet {
		if s.binds {
			s.bind()
		}
		return s.read(r)
	}
	if r.URL.Path == accessReviews {
		return s.review(r)
	}
	return s.write(r)
}

// read answers a read.
func (s *Server) read(r *http.Request) (int, string) {
	if r.URL.Path == "/version" {
		return http.StatusOK, `{"major":"1","minor":"35","gitVersion":"` + Version + `"}`
	}
	if code, body, asked := s.discovery(r.URL.Path); asked {
		return code, body
	}
	path, namespace, name := split(r.URL.Path)
	l := s.lists[path]
	if l == nil {
		return http.StatusNotFound, failure(http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	}
	if name == "" {
		return s.page(l, namespace, r)
	}
	for _, item := range l.items {
		if meta := metadata(item); meta.Name == name && meta.Namespace == namespace {
			return http.StatusOK, string(objects.Typed([]byte(item), l.apiVersion, l.kind)) // a list's items alone lack them
		}
	}
	return http.StatusNotFound, failure(http.StatusNotFound, "NotFound", fmt.Sprintf("%s %q not found", l.kind, name))
}

// page answers a list. A list that has more pages is kept as it was when the first was asked for.
func (s *Server) page(l *list, namespace string, r *http.Request) (int, string) {
	items, from, version := l.items, 0, strconv.Itoa(s.version)
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	if err != nil {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "BadRequest", err.Error())
	}
	if namespace != "" || !selector.Empty() || r.URL.Query().Has("fieldSelector") {
		items = slices.DeleteFunc(slices.Clone(items), func(item string) bool {
			meta := metadata(item)
			return namespace != "" && meta.Namespace != namespace || !selected(r, item) || !selector.Matches(labels.Set(meta.Labels))
		})
	}
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	if token := r.URL.Query().Get("continue"); token != "" {
		snapshot, at, _ := strings.Cut(token, "|")
		var known bool
		if items, known = s.snapshots[snapshot]; !known {
			return http.StatusGone, failure(http.StatusGone, "Expired", "The provided continue parameter is too old")
		}
		_, version, _ = strings.Cut(snapshot, "@")
		from, _ = strconv.Atoi(at)
	}
	snapshot := r.URL.Path + "?" + selector.String() + "@" + version
	next, rest := "", 0
	to := len(items)
	if limit > 0 && from+limit < to {
		to = from + limit
		rest = len(items) - to
		next = snapshot + "|" + strconv.Itoa(to)
		s.snapshots[snapshot] = slices.Clone(items)
	}
	meta := fmt.Sprintf(`{"resourceVersion":%q`, version)
	if next != "" {
		meta += fmt.Sprintf(`,"continue":%q,"remainingItemCount":%d`, next, rest)
	}
	return http.StatusOK, fmt.Sprintf(`{"kind":"%sList","apiVersion":%q,"metadata":%s},"items":[%s]}`+"\n",
		l.kind, l.apiVersion, meta, strings.Join(items[from:to], ","))
}

type meta struct {
	Name, Namespace string
	Labels          map[string]string
}

func metadata(item string) meta {
	var o struct{ Metadata meta }
	if err := json.Unmarshal([]byte(item), &o); err != nil {
		panic(fmt.Sprintf("a test's object is not JSON: %v: %s", err, item))
	}
	return o.Metadata
}

// split takes a path apart: that of the list over all namespaces, namespace, name.
func split(path string) (listPath, namespace, name string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	n := 2 // api/v1
	if parts[0] == "apis" {
		n = 3 // apis/group/version
	}
	if len(parts) <= n {
		return path, "", ""
	}
	base, parts := "/"+strings.Join(parts[:n], "/"), parts[n:]
	if parts[0] == "namespaces" && len(parts) > 2 {
		namespace, parts = parts[1], parts[2:]
	}
	if len(parts) > 1 {
		name = parts[1]
	}
	return base + "/" + parts[0], namespace, name
}
