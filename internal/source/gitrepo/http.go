package gitrepo

import (
	"bytes"
	"cmp"
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

	"github.com/go-git/go-git/v5/plumbing/protocol/packp"

	"plan/internal/errclass"
)

const infoRefs = "/info/refs"

// httpRemote speaks git's "smart" HTTP.
type httpRemote struct {
	client         *http.Client
	base           string // the repository's address, after redirects
	user, password string
	most           int64
	body           io.ReadCloser // of the last answer
}

func (o Options) openHTTP(u URL) (remote, error) {
	roots, err := roots(o.CAFile)
	if err != nil {
		return nil, err
	}
	r := &httpRemote{base: u.String(), user: cmp.Or(o.Username, "git"), password: o.Password, most: o.limits().refs}
	r.client = &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 256 << 10,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots, InsecureSkipVerify: o.Insecure},
	}}
	return r, nil
}

// roots gives the system's roots and those of a file; nil is the system's.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, about(invalid, fmt.Errorf("read CA file: %w", err))
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, aboutf(invalid, "read CA file %s: no certificate in PEM form in it", file)
	}
	return pool, nil
}

// stay follows redirects on the same server only, as when a repository was renamed: another one must not get the credentials, nor say what
// is run. From http to https of the same host is no other server.
func stay(req *http.Request, via []*http.Request) error {
	from, to := via[0].URL, req.URL
	same := from.Scheme == to.Scheme && port(from) == port(to)
	upgrade := from.Scheme == "http" && to.Scheme == "https" && port(from) == "80" && port(to) == "443"
	switch {
	case !strings.EqualFold(from.Hostname(), to.Hostname()) || !same && !upgrade:
		return aboutf(invalid, "the server redirects to another one, %s://%s: give that address if it is the right one", said(to.Scheme), said(to.Host))
	case len(via) >= 5:
		return aboutf(invalid, "the server redirects again and again")
	case req.Method != http.MethodGet || !strings.HasSuffix(to.Path, infoRefs):
		return aboutf(invalid, "the server redirects to something that is no git repository")
	}
	req.URL.User = nil
	return nil
}

func port(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

func (r *httpRemote) refs(ctx context.Context) (*packp.AdvRefs, error) {
	resp, err := r.do(ctx, http.MethodGet, infoRefs+"?service="+service, nil, "application/x-"+service+"-advertisement")
	if err != nil {
		return nil, err
	}
	found := *resp.Request.URL
	found.RawQuery, found.Path, found.RawPath = "", strings.TrimSuffix(found.Path, infoRefs), strings.TrimSuffix(found.RawPath, infoRefs)
	r.base = found.String()
	return readRefs(resp.Body, r.most)
}

func (r *httpRemote) pack(ctx context.Context, request []byte) (io.Reader, error) {
	resp, err := r.do(ctx, http.MethodPost, "/"+service, request, "application/x-"+service+"-result")
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}

// do asks for one of the two addresses below the repository's. An answer that is not of the type wanted is an error.
func (r *httpRemote) do(ctx context.Context, method, below string, body []byte, want string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, r.base+below, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", want)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-"+service+"-request")
	}
	if r.password != "" {
		req.SetBasicAuth(r.user, r.password)
	}
	r.finish()
	resp, err := r.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the server: %w", inner(err))
	}
	r.body = resp.Body
	if err := r.judge(resp, want); err != nil {
		return nil, err
	}
	return resp, nil
}

// inner is what net/http wraps in the address of the request, which the caller names already.
func inner(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

func (r *httpRemote) judge(resp *http.Response, want string) error {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	refuse := func(text string) error {
		wait := errclass.ParseRetryAfter(resp.Header.Get("Retry-After"), time.Now())
		return &refusal{resp.StatusCode, wait, fmt.Sprintf("%s (the server answers %d)", text, resp.StatusCode)}
	}
	given := r.password != ""
	switch code := resp.StatusCode; {
	case code == http.StatusOK && kind == want:
		return nil
	case code == http.StatusOK:
		return aboutf(invalid, "no git repository is at this address: the type of the answer is %s (%s)", said(cmp.Or(kind, "none")),
			"the clone address of the repository is wanted; servers without git's smart protocol are not spoken to")
	case code == http.StatusUnauthorized && !given:
		return refuse("the repository is not there, or it needs credentials")
	case code == http.StatusUnauthorized:
		return refuse("the credentials are refused: check user and token, and whether it has expired")
	case code == http.StatusForbidden && !given:
		return refuse("the repository may not be read without credentials")
	case code == http.StatusForbidden:
		return refuse("the credentials do not allow to read the repository")
	case code == http.StatusNotFound && !given:
		return refuse("the repository is not there, or it needs credentials")
	case code == http.StatusNotFound:
		return refuse("the repository is not there, or these credentials may not see it")
	case code == http.StatusProxyAuthRequired:
		return refuse("the proxy wants credentials: put them into HTTPS_PROXY")
	case code == http.StatusTooManyRequests:
		return refuse("the server takes no more requests for now")
	case code >= 500:
		return refuse("the server is out of order")
	}
	return refuse("the server does not give the repository")
}

// finish reads what is left of the last answer, if it is little, so that its connection can be used again.
func (r *httpRemote) finish() {
	if r.body != nil {
		_, _ = io.CopyN(io.Discard, r.body, 4<<10)
		_ = r.body.Close()
		r.body = nil
	}
}

func (r *httpRemote) Close() error {
	if r.body != nil {
		_ = r.body.Close()
	}
	r.client.CloseIdleConnections()
	return nil
}
