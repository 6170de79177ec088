// Package s3test is an S3 server in memory that can be told to misbehave.
//
// It speaks what this project needs, path style: ListObjectsV2 (delimiter,
// max-keys, continuation), HeadObject, GetObject with a range, PutObject with
// If-None-Match, metadata and SHA-256, DeleteObject and DeleteObjects. It looks
// for a SigV4 signature and the access key in it, and does not verify it. It
// refuses the SDK's trailing checksums with 501, as some servers do.
package s3test

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Server is an http.Handler; serve it with httptest.NewServer or NewTLSServer.
// The exported fields are set before the first request.
type Server struct {
	Bucket    string           // the only one there is
	AccessKey string           // if set, any other is refused
	PageLimit int              // most keys in a page; 0 is 1000
	Now       func() time.Time // time of a Put

	mu      sync.Mutex
	objects map[string]Object
	keys    []string // of objects, sorted
	faults  []*Fault
	calls   map[Op]int
}

// Object is what the server holds under a key.
type Object struct {
	Body         []byte
	ContentType  string
	Metadata     map[string]string // keys lower case
	LastModified time.Time
}

// New makes a server with one empty bucket.
func New(bucket string) *Server {
	return &Server{Bucket: bucket, Now: time.Now, objects: map[string]Object{}, calls: map[Op]int{}}
}

// Store puts an object there, past the protocol and its faults.
func (s *Server) Store(key string, o Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store(key, o)
}

func (s *Server) store(key string, o Object) {
	if i, found := slices.BinarySearch(s.keys, key); !found {
		s.keys = slices.Insert(s.keys, i, key)
	}
	s.objects[key] = o
}

func (s *Server) remove(key string) {
	if i, found := slices.BinarySearch(s.keys, key); found {
		s.keys = slices.Delete(s.keys, i, i+1)
	}
	delete(s.objects, key)
}

// Objects is a copy of what the bucket holds; the bodies are the server's own.
func (s *Server) Objects() map[string]Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.objects)
}

// Calls is how many requests of an operation came in, spoiled ones included.
func (s *Server) Calls(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// call is one request, understood.
type call struct {
	op     Op
	key    string
	effect Effect
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	c := call{op: operation(r, key), key: key}
	if c.op == "" {
		fail(w, r, http.StatusNotImplemented, "NotImplemented")
		return
	}
	s.mu.Lock()
	s.calls[c.op]++
	s.mu.Unlock()
	if code := s.refuses(r); code != "" {
		fail(w, r, http.StatusForbidden, code)
		return
	}
	if bucket != s.Bucket {
		fail(w, r, http.StatusNotFound, "NoSuchBucket")
		return
	}
	if effect := s.fault(c.op, key, r.Header); effect != "" {
		s.spoil(w, r, c, effect)
		return
	}
	s.execute(w, r, c)
}

func operation(r *http.Request, key string) Op {
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && key == "" && query.Get("list-type") == "2":
		return List
	case r.Method == http.MethodPost && key == "" && query.Has("delete"):
		return Deletes
	case key == "":
		return ""
	}
	return map[string]Op{http.MethodHead: Head, http.MethodGet: Get, http.MethodPut: Put, http.MethodDelete: Delete}[r.Method]
}

// refuses gives the error code for a request without a usable signature.
func (s *Server) refuses(r *http.Request) string {
	credential, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=")
	if !ok || r.Header.Get("X-Amz-Date") == "" || r.Header.Get("X-Amz-Content-Sha256") == "" {
		return "AccessDenied"
	}
	if id, _, _ := strings.Cut(credential, "/"); s.AccessKey != "" && id != s.AccessKey {
		return "InvalidAccessKeyId"
	}
	return ""
}

func (s *Server) execute(w http.ResponseWriter, r *http.Request, c call) {
	switch c.op {
	case List:
		s.list(w, r, c)
	case Head, Get:
		s.get(w, r, c)
	case Put:
		s.put(w, r, c)
	case Delete:
		s.mu.Lock()
		s.remove(c.key)
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	case Deletes:
		s.deletes(w, r)
	}
}

type errorBody struct {
	XMLName xml.Name `xml:"Error"`
	Code    string
	Message string
}

// fail answers with an error; a HEAD has no body.
func fail(w http.ResponseWriter, r *http.Request, status int, code string) {
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	answer(w, status, errorBody{Code: code, Message: "the test server says " + code})
}

func answer(w http.ResponseWriter, status int, body any) {
	data, err := xml.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), data...))
}
