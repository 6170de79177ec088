package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// The URL is a secret as a whole: whoever knows it can report success. So no part of it is ever shown, not even its host.
const (
	where       = "the notify url"
	placeholder = "placeholder.invalid"
)

const (
	maxRedirects = 5
	patience     = 30 * time.Second // for the beginning of an answer
)

// newClient is a client with a limit on every wait and proxies from the environment.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: patience,
			ForceAttemptHTTP2:     true,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		},
		CheckRedirect: sameHost,
	}
}

// sameHost follows a redirect only to the same scheme and host and only where the method stays (307 and 308, RFC 9110 15.4): the
// body and a secret path go to nobody else. Any other redirect is the answer, and no success.
func sameHost(next *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > maxRedirects || next.URL.Host != first.URL.Host || next.URL.Scheme != first.URL.Scheme || next.Method != first.Method {
		return http.ErrUseLastResponse
	}
	return nil
}

// join appends suffix to the path of a URL, before its query. One slash of two that meet is dropped.
func join(raw, suffix string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, &BadURLError{}
	}
	path, more := u.EscapedPath(), (&url.URL{Path: suffix}).EscapedPath()
	if strings.HasPrefix(more, "/") {
		path = strings.TrimSuffix(path, "/")
	} else if path == "" && more != "" {
		path = "/"
	}
	u.RawPath = path + more
	if u.Path, err = url.PathUnescape(u.RawPath); err != nil {
		return nil, &BadURLError{}
	}
	u.Fragment, u.RawFragment = "", ""
	return u, nil
}

// checkHeader wants a token (RFC 9110 5.6.2) that the transport does not set itself.
func checkHeader(name string) error {
	const marks = "!#$%&'*+-.^_`|~"
	other := func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(marks, r))
	}
	if name == "" || strings.ContainsFunc(name, other) {
		return fmt.Errorf("%q is not the name of a header", name)
	}
	switch http.CanonicalHeaderKey(name) {
	case "Host", "Content-Length", "Transfer-Encoding", "Connection", "Trailer", "Upgrade":
		return fmt.Errorf("header %s cannot be set", name)
	}
	return nil
}

// BadURLError means that the secret is not a URL that can be called. It does not say what the secret is.
type BadURLError struct{}

// Error names the field.
func (*BadURLError) Error() string { return where + " is not a whole http or https URL" }

// StatusError is an answer other than 2xx.
type StatusError struct {
	code int
	wait time.Duration
}

// Error says the code.
func (e *StatusError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%s answered %d %s", where, e.code, http.StatusText(e.code)))
}

// StatusCode is the HTTP status.
func (e *StatusError) StatusCode() int { return e.code }

// RetryAfter is how long the server asks to wait; 0 if it does not say.
func (e *StatusError) RetryAfter() time.Duration { return e.wait }

// ConnectionError means that no whole answer came. Its text is free of the URL; its chain is not and is for errors.As only.
type ConnectionError struct{ err error }

// Unwrap gives what net/http said, for classification.
func (e *ConnectionError) Unwrap() error { return e.err }

// Error says what kind of failure it was.
func (e *ConnectionError) Error() string { return "no answer from " + where + ": " + e.reason() }

func (e *ConnectionError) reason() string {
	var lookup *net.DNSError
	var untrusted *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.Is(e.err, context.Canceled):
		return "cancelled"
	case errors.As(e.err, &lookup):
		return "its host name cannot be looked up"
	case errors.As(e.err, &untrusted):
		return "its certificate is not trusted here"
	case errors.As(e.err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.Is(e.err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(e.err, syscall.ECONNRESET):
		return "connection reset"
	}
	return "the connection failed"
}
