package kube

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// LogOptions say what of the log of a container is wanted. The zero options are all of its latest instance so far.
type LogOptions struct {
	Container  string    // may be empty for a pod of one container
	Follow     bool      // the log goes on until the container ends
	Previous   bool      // of the instance before the latest restart
	Timestamps bool      // each line begins with the time at which the runtime took it (RFC 3339, nanoseconds) and a space
	Since      time.Time // lines from this second on: the fraction is cut off, as the API has whole seconds; zero: all
	Tail       int       // so many lines at the end; 0: all
}

// Logs opens the log of a container, as it wrote it. The caller closes it. A stream has no time limit of its own; a peer that is dead is
// noticed by TCP keep-alive, after some minutes. The end in good order (io.EOF) does not say that the container has ended: the API server
// ends a stream so too when it loses the kubelet. Errors: apierrors.StatusError, or what the connection brought.
func (c *Client) Logs(ctx context.Context, namespace, pod string, o LogOptions) (io.ReadCloser, error) {
	what := fmt.Sprintf("get log of pod %s/%s", namespace, pod)
	if o.Container != "" {
		what += " container " + o.Container
	}
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + "/api/v1/namespaces/" + url.PathEscape(namespace) + "/pods/" + url.PathEscape(pod) + "/log"
	u.RawQuery = o.query().Encode()
	for try := 1; ; try++ {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		req.Header.Set("Accept", "application/json, */*") // errors are JSON, the log itself is text
		body, wait, err := c.stream(req)
		if err == nil {
			return body, nil
		}
		if wait < 0 || try == maxTries || c.sleep(ctx, wait) != nil {
			return nil, fmt.Errorf("%s at %s: %w", what, c.Host(), err)
		}
	}
}

// stream sends a request once and leaves the answer to be read. The wait is negative unless the server asked to come again after it.
func (c *Client) stream(req *http.Request) (io.ReadCloser, time.Duration, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, -1, cause(err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, retryAfter(resp), statusError(req, resp)
	}
	return resp.Body, -1, nil
}

// query is how the API has the options.
func (o LogOptions) query() url.Values {
	query := url.Values{}
	if o.Container != "" {
		query.Set("container", o.Container)
	}
	for name, is := range map[string]bool{"follow": o.Follow, "previous": o.Previous, "timestamps": o.Timestamps} {
		if is {
			query.Set(name, "true")
		}
	}
	if !o.Since.IsZero() {
		query.Set("sinceTime", o.Since.UTC().Format(time.RFC3339))
	}
	if o.Tail > 0 {
		query.Set("tailLines", strconv.Itoa(o.Tail))
	}
	return query
}
