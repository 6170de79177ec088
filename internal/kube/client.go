// Package kube talks to one Kubernetes API server. Lists are kept as the server's own JSON and used page by page, so that a
// field unknown to any client library survives and memory does not grow with the list.
package kube

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"k8s.io/client-go/rest"

	"plan/internal/pause"
)

// maxObject bounds an answer that holds one object; etcd refuses objects far smaller than that.
const maxObject = 16 << 20

// Client is a connection to one cluster. It is safe for concurrent use.
type Client struct {
	http      *http.Client
	base      *url.URL
	config    *rest.Config
	context   string
	namespace string
	sleep     func(context.Context, time.Duration) error
}

// New makes a client of a ready configuration; context and namespace are what Context and Namespace answer. It opens no
// connection. The configuration is copied; client-side rate limits are off, because the server has its own (priority and
// fairness) and answers 429 when it has too much to do.
func New(config *rest.Config, context, namespace string) (*Client, error) {
	c := rest.CopyConfig(config)
	c.QPS = -1
	// On a local network a compressed list costs both sides more time than it saves.
	c.DisableCompression = true
	base, _, err := rest.DefaultServerUrlFor(c)
	if err != nil {
		return nil, fmt.Errorf("read address of the API server %q: %w", c.Host, err)
	}
	client, err := rest.HTTPClientFor(http1(c))
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", base.Host, err)
	}
	return &Client{http: client, base: base, config: c, context: context, namespace: namespace, sleep: pause.For}, nil
}

// http1 asks for HTTP/1.1. A list is one large answer after the other, and HTTP/2 cuts each into frames of 16 KiB with accounting
// for every one: that takes a third more of the time that client and server spend on it.
func http1(config *rest.Config) *rest.Config {
	c := rest.CopyConfig(config)
	c.NextProtos = []string{"http/1.1"}
	return c
}

// Namespace is where namespaced objects are looked for when nothing else is said.
func (c *Client) Namespace() string { return c.namespace }

// Context is the name of the kubeconfig's context; empty in a pod.
func (c *Client) Context() string { return c.context }

// Host is the address of the API server, such as https://10.0.0.1:6443.
func (c *Client) Host() string { return strings.TrimSuffix(c.base.String(), "/") }

// Config is a copy of the configuration, for the typed clients of client-go.
func (c *Client) Config() *rest.Config { return rest.CopyConfig(c.config) }

// UID is metadata.uid of the namespace kube-system, which identifies a cluster for as long as it lives.
func (c *Client) UID(ctx context.Context) (string, error) {
	const what = "get namespace kube-system"
	body, err := c.object(ctx, what, "/api/v1/namespaces/kube-system")
	if err != nil {
		return "", err
	}
	uid := gjson.GetBytes(body, "metadata.uid").String()
	if uid == "" {
		return "", fmt.Errorf("%s at %s: the answer has no metadata.uid", what, c.Host())
	}
	return uid, nil
}

// Version is the server's gitVersion, such as v1.35.4+k3s1.
func (c *Client) Version(ctx context.Context) (string, error) {
	const what = "get the server's version"
	body, err := c.object(ctx, what, "/version")
	if err != nil {
		return "", err
	}
	version := gjson.GetBytes(body, "gitVersion").String()
	if version == "" {
		return "", fmt.Errorf("%s at %s: the answer has no gitVersion", what, c.Host())
	}
	return version, nil
}

// SecretKey is the value of one key of a Secret. A missing Secret is an apierrors.StatusError (NotFound), a missing key is
// ErrNoKey. No error holds a value.
func (c *Client) SecretKey(ctx context.Context, namespace, name, key string) ([]byte, error) {
	what := fmt.Sprintf("get secret %s/%s", namespace, name)
	body, err := c.object(ctx, what, "/api/v1/namespaces/"+url.PathEscape(namespace)+"/secrets/"+url.PathEscape(name))
	if err != nil {
		return nil, err
	}
	data := gjson.GetBytes(body, "data").Map() // not by path: keys of a Secret may have dots
	value, ok := data[key]
	if !ok {
		keys := slices.Sorted(maps.Keys(data))
		return nil, fmt.Errorf("%s: %w %q (it has %s)", what, ErrNoKey, key, list(keys))
	}
	plain, err := base64.StdEncoding.DecodeString(value.String())
	if err != nil {
		return nil, fmt.Errorf("%s: key %q is not base64", what, key)
	}
	return plain, nil
}

// object gets one object whole.
func (c *Client) object(ctx context.Context, what, path string) ([]byte, error) {
	var buf bytes.Buffer
	if err := c.get(ctx, what, path, nil, &buf, maxObject); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// get reads one answer into buf, whole and well-formed, or fails. What is the verb and object for errors.
func (c *Client) get(ctx context.Context, what, path string, query url.Values, buf *bytes.Buffer, limit int64) error {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	u.RawQuery = query.Encode()
	for try := 1; ; try++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		req.Header.Set("Accept", "application/json")
		wait, err := c.try(req, buf, limit, nil)
		if err == nil {
			return nil
		}
		if wait < 0 || try == maxTries || c.sleep(ctx, wait) != nil {
			return fmt.Errorf("%s at %s: %w", what, c.Host(), err)
		}
	}
}

// try sends a request once. The wait is negative unless the server asked to come again after it. warn may be nil.
func (c *Client) try(req *http.Request, buf *bytes.Buffer, limit int64, warn func(string)) (time.Duration, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return -1, cause(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return retryAfter(resp), statusError(req, resp)
	}
	buf.Reset()
	if n := resp.ContentLength; n > 0 && n <= limit {
		buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return -1, fmt.Errorf("read the answer after %d bytes: %w", n, err)
	case n > limit:
		return -1, fmt.Errorf("the answer is larger than %d bytes", limit)
	case !gjson.ValidBytes(buf.Bytes()):
		// A proxy that cuts a body may well send a matching Content-Length.
		return -1, fmt.Errorf("the answer of %d bytes is not JSON or not whole: %w", n, io.ErrUnexpectedEOF)
	}
	if warn != nil {
		warnings(resp, warn)
	}
	return -1, nil
}
