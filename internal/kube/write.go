package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// ErrUnanswered means that a write was sent and its answer is missing, unreadable or a server error: it may have been executed. Look at
// the object before it is sent again. A refusal (4xx) is certain and never has it.
var ErrUnanswered = errors.New("the request may have been executed")

// fieldManager is whom the API server names as the writer of what this client writes.
const fieldManager = "plan"

// WriteOptions change how a write is done.
type WriteOptions struct {
	DryRun bool         // the server validates and admits, and stores nothing
	Warn   func(string) // gets what the server warns of although it does what it is asked; nil: that is lost
}

// warnings hands on what stands in headers for whoever reads an answer (RFC 9111 5.5; an API server's have the code 299).
func warnings(resp *http.Response, warn func(string)) {
	list, _ := utilnet.ParseWarningHeaders(resp.Header.Values("Warning")) // what is none is none of the API server's
	for _, w := range list {
		if w.Code == 299 && w.Text != "" {
			warn(w.Text)
		}
	}
}

// Get reads one object whole, as the server's own JSON. A missing one is an apierrors.StatusError (NotFound).
func (c *Client) Get(ctx context.Context, r Resource, name string) (json.RawMessage, error) {
	return c.object(ctx, describe("get", r, name), r.Path()+"/"+url.PathEscape(name))
}

// Create makes an object and gives it as stored. One of that name is an apierrors.StatusError (AlreadyExists).
func (c *Client) Create(ctx context.Context, r Resource, name string, object []byte, o WriteOptions) (json.RawMessage, error) {
	return c.write(ctx, http.MethodPost, describe("create", r, name), r.Path(), "application/json", object, o)
}

// Update replaces an object. Its metadata.resourceVersion, if it has one, must be the stored one (Conflict otherwise).
func (c *Client) Update(ctx context.Context, r Resource, name string, object []byte, o WriteOptions) (json.RawMessage, error) {
	return c.write(ctx, http.MethodPut, describe("update", r, name), r.Path()+"/"+url.PathEscape(name), "application/json", object, o)
}

// Patch merges a JSON merge patch (RFC 7386) into an object: null removes, lists are replaced. A metadata.resourceVersion in the patch
// must be the stored one (Conflict otherwise).
func (c *Client) Patch(ctx context.Context, r Resource, name string, patch []byte, o WriteOptions) (json.RawMessage, error) {
	return c.write(ctx, http.MethodPatch, describe("patch", r, name), r.Path()+"/"+url.PathEscape(name), "application/merge-patch+json", patch, o)
}

// Delete removes the very object with that UID, as it was at that resourceVersion (Conflict otherwise); an empty precondition is none.
func (c *Client) Delete(ctx context.Context, r Resource, name, uid, resourceVersion string) error {
	return c.Remove(ctx, r, name, Removal{UID: uid, ResourceVersion: resourceVersion})
}

// Removal says what is removed, and how.
type Removal struct {
	UID, ResourceVersion string // preconditions: Conflict otherwise; empty: none
	Propagation          string // Foreground: the object goes after all that it owns; empty: the server's default
	Grace                *int64 // seconds that a pod gets to end; nil: its own
}

// Remove asks the server to remove an object. One that others hold on to is gone only later.
func (c *Client) Remove(ctx context.Context, r Resource, name string, o Removal) error {
	preconditions := map[string]string{}
	if o.UID != "" {
		preconditions["uid"] = o.UID
	}
	if o.ResourceVersion != "" {
		preconditions["resourceVersion"] = o.ResourceVersion
	}
	options := map[string]any{"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}
	if o.Propagation != "" {
		options["propagationPolicy"] = o.Propagation
	}
	if o.Grace != nil {
		options["gracePeriodSeconds"] = *o.Grace
	}
	what := describe("delete", r, name)
	body, err := json.Marshal(options)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	_, err = c.write(ctx, http.MethodDelete, what, r.Path()+"/"+url.PathEscape(name), "application/json", body, WriteOptions{})
	return err
}

// describe is the verb and object for errors: create persistentvolumes data-0, get secrets in ns name.
func describe(verb string, r Resource, name string) string {
	if r.Namespace != "" {
		name = r.Namespace + "/" + name
	}
	return verb + " " + r.String() + " " + name
}

// write sends a write once, and again only where the server asks to come again (429 and 5xx with Retry-After): it has not executed it then.
func (c *Client) write(ctx context.Context, method, what, path, contentType string, body []byte, o WriteOptions) (json.RawMessage, error) {
	u := *c.base
	u.Path = strings.TrimSuffix(u.Path, "/") + path
	query := url.Values{"fieldManager": {fieldManager}}
	if o.DryRun {
		query.Set("dryRun", "All")
	}
	u.RawQuery = query.Encode()
	var buf bytes.Buffer
	for try := 1; ; try++ {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Content-Type", contentType)
		wait, err := c.try(req, &buf, maxObject, o.Warn)
		if err == nil {
			return buf.Bytes(), nil
		}
		if wait >= 0 && try < maxTries && c.sleep(ctx, wait) == nil {
			continue
		}
		if !refused(err) && !o.DryRun {
			err = fmt.Errorf("%w: %w", ErrUnanswered, err)
		}
		return nil, fmt.Errorf("%s at %s: %w", what, c.Host(), err)
	}
}
