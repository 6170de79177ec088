package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// DefaultPageSize is the number of objects in a page when nothing else is said, as in client-go's pager.
const DefaultPageSize = 500

// maxPage bounds one page in memory.
const maxPage = 256 << 20

// Resource names what to list. An empty namespace is all of them, or a cluster-scoped resource; a selector (of labels, as kubectl
// takes it) and fields (a field selector) narrow the list on the server.
type Resource struct{ Group, Version, Resource, Namespace, Selector, Fields string }

// String is the resource as kubectl writes it: persistentvolumes, volumes.longhorn.io.
func (r Resource) String() string {
	if r.Group == "" {
		return r.Resource
	}
	return r.Resource + "." + r.Group
}

// APIVersion is the group and version as in an object's apiVersion.
func (r Resource) APIVersion() string {
	if r.Group == "" {
		return r.Version
	}
	return r.Group + "/" + r.Version
}

// Path is the list's path on the server.
func (r Resource) Path() string {
	p := "/api/" + url.PathEscape(r.Version)
	if r.Group != "" {
		p = "/apis/" + url.PathEscape(r.Group) + "/" + url.PathEscape(r.Version)
	}
	if r.Namespace != "" {
		p += "/namespaces/" + url.PathEscape(r.Namespace)
	}
	return p + "/" + url.PathEscape(r.Resource)
}

// narrowed is the query that narrows a list or a watch.
func (r Resource) narrowed() url.Values {
	query := url.Values{}
	if r.Selector != "" {
		query.Set("labelSelector", r.Selector)
	}
	if r.Fields != "" {
		query.Set("fieldSelector", r.Fields)
	}
	return query
}

// Page is one page of a list.
type Page struct {
	ResourceVersion string            // of the whole list
	APIVersion      string            // of the items; those of built-in resources do not say it themselves
	Kind            string            // of the items
	Items           []json.RawMessage // the server's bytes; valid until the next page is asked for
	Remaining       int64             // items after this page, if the server says; else 0
}

// List reads a list in pages, the next one while the current is being used. Exactly one page comes for an empty list. After an
// error nothing follows. Errors: ErrNotServed, ErrExpired (begin again), apierrors.StatusError, or what the connection brought.
// A page size of 0 is DefaultPageSize.
func (c *Client) List(ctx context.Context, r Resource, pageSize int) iter.Seq2[Page, error] {
	if pageSize <= 0 {
		pageSize = DefaultPageSize
	}
	return func(yield func(Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		p := &pager{client: c, resource: r, size: pageSize}
		defer p.join()
		defer cancel()
		p.fetch(ctx, "", new(buffer))
		spare := new(buffer)
		for {
			got := p.join()
			if got.err != nil {
				yield(Page{}, got.err)
				return
			}
			if got.next != "" {
				p.fetch(ctx, got.next, spare)
			}
			if !yield(got.page, nil) || got.next == "" {
				return
			}
			spare = got.buffer
		}
	}
}

// Count is the number of objects of a resource, as far as the server tells without sending them all.
func (c *Client) Count(ctx context.Context, r Resource) (int64, error) {
	got := (&pager{client: c, resource: r, size: 1}).page(ctx, "", new(buffer))
	return int64(len(got.page.Items)) + got.page.Remaining, got.err
}

// buffer is what one page occupies; two take turns.
type buffer struct {
	body  bytes.Buffer
	items []json.RawMessage
}

// fetched is a page on its way.
type fetched struct {
	page   Page
	next   string
	buffer *buffer
	err    error
}

// pager fetches one page at a time in the background.
type pager struct {
	client   *Client
	resource Resource
	size     int
	pending  chan fetched
}

func (p *pager) fetch(ctx context.Context, token string, b *buffer) {
	ch := make(chan fetched, 1)
	p.pending = ch
	go func() { ch <- p.page(ctx, token, b) }()
}

// join waits for the page being fetched, if there is one.
func (p *pager) join() fetched {
	if p.pending == nil {
		return fetched{}
	}
	got := <-p.pending
	p.pending = nil
	return got
}

// page fetches the page that a continue token names.
func (p *pager) page(ctx context.Context, token string, b *buffer) fetched {
	query := p.resource.narrowed()
	query.Set("limit", strconv.Itoa(p.size))
	if token != "" {
		query.Set("continue", token)
	}
	what := "list " + p.resource.String()
	if err := p.client.get(ctx, what, p.resource.Path(), query, &b.body, maxPage); err != nil {
		return fetched{err: classify(err)}
	}
	got, err := slice(b)
	if err != nil {
		return fetched{err: fmt.Errorf("%s at %s: %w", what, p.client.Host(), err)}
	}
	if got.next != "" && got.next == token {
		return fetched{err: fmt.Errorf("%s at %s: the server repeats the page", what, p.client.Host())}
	}
	if got.page.APIVersion == "" {
		got.page.APIVersion = p.resource.APIVersion()
	}
	return got
}

// classify adds what a status means for a list.
func classify(err error) error {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	switch {
	case !ok:
		return err
	case status.ErrStatus.Code == http.StatusNotFound:
		return fmt.Errorf("%w: %w", ErrNotServed, err)
	case status.ErrStatus.Code == http.StatusGone:
		return fmt.Errorf("%w: %w", ErrExpired, err)
	}
	return err
}

// slice cuts a page into items without decoding them.
func slice(b *buffer) (fetched, error) {
	body := b.body.Bytes()
	var page Page
	var next, kind string
	found := false
	// The string is the buffer itself: nothing of it is kept beyond the page, and the buffer is not written meanwhile.
	gjson.Parse(unsafe.String(unsafe.SliceData(body), len(body))).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "apiVersion":
			page.APIVersion = strings.Clone(value.String())
		case "kind":
			kind = strings.Clone(value.String())
		case "metadata":
			page.ResourceVersion = strings.Clone(value.Get("resourceVersion").String())
			page.Remaining = value.Get("remainingItemCount").Int()
			next = strings.Clone(value.Get("continue").String())
		case "items":
			found = value.IsArray() || value.Type == gjson.Null // an empty list may be null
			b.items = cut(b.items[:0], body, value)
		}
		return true
	})
	if !found || !strings.HasSuffix(kind, "List") {
		return fetched{}, fmt.Errorf("the answer is not a list but kind %q", kind)
	}
	page.Kind = strings.TrimSuffix(kind, "List")
	page.Items = b.items
	return fetched{page: page, next: next, buffer: b}, nil
}

func cut(items []json.RawMessage, body []byte, array gjson.Result) []json.RawMessage {
	if !array.IsArray() {
		return items
	}
	array.ForEach(func(_, value gjson.Result) bool {
		items = append(items, json.RawMessage(body[value.Index:value.Index+len(value.Raw)]))
		return true
	})
	return items
}
