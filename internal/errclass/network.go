package errclass

import (
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"

	"plan/internal/objectstore"
)

var refused = []error{syscall.ECONNREFUSED}

// broken are the ends of a connection, or of the way to the server.
var broken = []error{
	io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
	syscall.EHOSTUNREACH, syscall.EHOSTDOWN, syscall.ENETUNREACH, syscall.ENETDOWN, syscall.ENETRESET,
}

// brokenWords are the same where net/http and its HTTP/2 keep their error types to themselves, or a library has made text of them.
var brokenWords = []string{
	"http2: server sent GOAWAY",
	"http2: client connection lost",
	"http2: client connection force closed",
	"http2: no cached connection was available",
	"stream error: stream ID",
	"http: server closed idle connection",
	"transport connection broken",
	"TLS handshake timeout",
	"connection reset by peer",
	"connection refused",
	"broken pipe",
	"unexpected EOF",
	"i/o timeout",
	"no route to host",
	"no such host",
	"Client.Timeout exceeded",
	"timeout awaiting response headers",
	"apiserver not ready",
	"the server is currently unable to handle the request",
}

// says is true for an error whose text has one of words, in any case.
func says(words ...string) func(error) bool {
	return func(err error) bool {
		text := strings.ToLower(err.Error())
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, strings.ToLower(w)) })
	}
}

// code is true for an error of S3 with one of codes (S3 API reference, "Error responses"; other servers use the same).
func code(codes ...string) func(error) bool {
	return func(err error) bool {
		for e := range tree(err) {
			var c string
			switch e := e.(type) {
			case *objectstore.Error:
				c = e.Code
			case smithy.APIError:
				c = e.ErrorCode()
			}
			if c != "" && slices.Contains(codes, c) {
				return true
			}
		}
		return false
	}
}

// byAnyStatus is byStatus of the first error in the tree that carries a status whose meaning is wanted.
func byAnyStatus(err error, want func(Fault) bool) (Fault, bool) {
	for e := range tree(err) {
		if f, ok := byStatus(statusOf(e)); ok && want(f) {
			return f, true
		}
	}
	return Fault{}, false
}

// as says whether a T is in the tree for which holds is true.
func as[T error](holds func(T) bool) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[T](err)
		return ok && holds(e)
	}
}
