package bwtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Client is an http.Client that asks this server without a network, whatever the host. api.* and identity.* hosts reach the
// paths the cloud serves there. It works inside a testing/synctest bubble.
func (s *Server) Client() *http.Client { return &http.Client{Transport: Transport(s)} }

// Transport asks h without a network; see Server.Client.
func Transport(h http.Handler) http.RoundTripper { return transport{h} }

type transport struct{ h http.Handler }

func (t transport) RoundTrip(r *http.Request) (_ *http.Response, err error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI = r.URL.Host, r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	for _, service := range []string{"api", "identity"} {
		if strings.HasPrefix(r.URL.Host, service+".") {
			in.URL.Path = "/" + service + r.URL.Path
		}
	}
	rec := newRecorder()
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // a panic value
			err = fmt.Errorf("read answer: %w", io.ErrUnexpectedEOF)
		} else if p != nil {
			panic(p)
		}
	}()
	t.h.ServeHTTP(rec, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return rec.response(r), nil
}

// recorder keeps an answer in memory. It takes no more than 64 MiB, as if the client had hung up.
type recorder struct {
	status int
	header http.Header
	body   bytes.Buffer
}

func newRecorder() *recorder { return &recorder{status: http.StatusOK, header: http.Header{}} }

func (r *recorder) Header() http.Header  { return r.header }
func (r *recorder) WriteHeader(code int) { r.status = code }

func (r *recorder) Write(b []byte) (int, error) {
	if r.body.Len() > 64<<20 {
		return 0, errors.New("client is gone")
	}
	return r.body.Write(b)
}

func (r *recorder) response(req *http.Request) *http.Response {
	body := io.Reader(bytes.NewReader(r.body.Bytes()))
	length := int64(r.body.Len())
	if n, err := strconv.ParseInt(r.header.Get("Content-Length"), 10, 64); err == nil && n > length {
		body, length = io.MultiReader(body, cutShort{}), n
	}
	return &http.Response{
		Status: strconv.Itoa(r.status) + " " + http.StatusText(r.status), StatusCode: r.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: r.header, Body: io.NopCloser(body), ContentLength: length, Request: req,
	}
}

type cutShort struct{}

func (cutShort) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
