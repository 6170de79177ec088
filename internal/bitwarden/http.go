package bitwarden

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	requestTimeout = 30 * time.Second // for one request with its answer
	maxLogin       = 1 << 20
	maxAnswer      = 32 << 20
	maxRedirects   = 5
)

type request struct {
	op, method, url string
	class           class
	body            []byte
	contentType     string
	bearer          string
	effect          bool     // it creates or updates
	secrets         []string // never to be seen in an error
}

type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) isHTML() bool {
	return strings.HasPrefix(a.header.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(a.body), []byte("<"))
}

// send does one request, waits for the limits and repeats it after a 429. The answer it returns is a success in JSON.
func (c *Client) send(ctx context.Context, r *request) (*answer, error) {
	for repeats := 0; ; repeats++ {
		if err := c.limits.wait(ctx, r.class); err != nil {
			return nil, fmt.Errorf("%s: %w", r.op, err)
		}
		a, err := c.once(ctx, r)
		if err != nil {
			return nil, r.unanswered(fmt.Errorf("%s: %s: %w", r.op, r.url, err))
		}
		switch {
		case a.status == http.StatusTooManyRequests:
			if e := c.apiError(r, a); !again(ctx, e.RetryAfter, repeats) {
				return nil, e
			}
		case a.status >= 500:
			return nil, r.unanswered(c.apiError(r, a))
		case a.status < 200 || a.status > 299:
			return nil, c.apiError(r, a)
		case a.isHTML():
			return nil, r.unanswered(unlike(r, a.status, "an HTML page, perhaps of a proxy, or the URL is not a Bitwarden server's"))
		default:
			return a, nil
		}
	}
}

func (c *Client) once(ctx context.Context, r *request) (*answer, error) {
	inner, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(inner, r.method, r.url, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if len(r.body) > 0 {
		req.Header.Set("Content-Type", r.contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	req.Header.Set("Device-Type", "21") // an SDK
	if r.bearer != "" {
		req.Header.Set("Authorization", "Bearer "+r.bearer)
	}
	a, err := exchange(c.http, req, r.class)
	switch {
	case err == nil:
		return a, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case inner.Err() != nil:
		return nil, fmt.Errorf("no answer within %s: %w", requestTimeout, os.ErrDeadlineExceeded)
	}
	if u := (*url.Error)(nil); errors.As(err, &u) { // its URL may be the one of a redirect
		err = u.Err
	}
	return nil, &hidden{r.hide(err.Error()), err}
}

func exchange(client *http.Client, req *http.Request, c class) (*answer, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	limit := int64(maxAnswer)
	if c == identity {
		limit = maxLogin
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("%w: over %d MiB", ErrTooLarge, limit>>20)
	}
	return &answer{resp.StatusCode, resp.Header, body}, nil
}

// stay follows redirects on the same host only: net/http would send a POST's body, with the client secret, to any host, and
// the Authorization header to subdomains. It turns some POSTs into GETs too; these are not followed.
func stay(req *http.Request, via []*http.Request) error {
	first := via[0]
	switch {
	case len(via) > maxRedirects:
		return fmt.Errorf("%w: more than %d", ErrRedirect, maxRedirects)
	case req.URL.Scheme != first.URL.Scheme || !strings.EqualFold(req.URL.Host, first.URL.Host):
		return fmt.Errorf("%w: to another server, %s://%s, which must not get the access token", ErrRedirect, req.URL.Scheme, req.URL.Host)
	case req.Method != first.Method:
		return fmt.Errorf("%w: it turns a %s into a %s", ErrRedirect, first.Method, req.Method)
	}
	return nil
}

func newHTTP(cfg Config) (*http.Client, error) {
	if cfg.HTTP != nil {
		if cfg.CAFile != "" {
			return nil, errors.New("a CA file and an HTTP client of its own exclude each other")
		}
		own := *cfg.HTTP
		own.CheckRedirect, own.Jar = stay, nil
		return &own, nil
	}
	roots, err := trust(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	return &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		IdleConnTimeout:     30 * time.Second,
		MaxIdleConnsPerHost: 4,
		DisableCompression:  true,                                                                                        // as the official clients: an answer's size is what was sent
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: cfg.Insecure}, //nolint:gosec // asked for
	}}, nil
}

// trust gives the system's roots and those of a file; nil is the system's.
func trust(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %s: no certificate in PEM form in it", file)
	}
	return pool, nil
}
