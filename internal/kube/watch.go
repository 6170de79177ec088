package kube

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Watched is one piece of news of a watch.
type Watched struct {
	Object json.RawMessage // the object as it is now, or as it was last seen when it is gone; a listed one may lack apiVersion and kind
	UID    string
	Gone   bool
	Synced bool // the objects that there are have all been told, after the start or after the watch had to begin anew; Object is nil
}

// The times of a watch: the API server is asked to end it after watchLength, which it does by itself after half an hour otherwise; a server
// sends a bookmark each minute, so a longer silence is that of a dead connection.
const (
	watchLength  = 50 * time.Minute
	watchSilence = 4 * time.Minute
	watchRetry   = time.Second
	watchRetries = 30 * time.Second
)

// Watch tells the objects that there are, then every change, until ctx ends or the caller stops; it goes on after every error, since
// none of them says anything about the objects; trouble, which may be nil, gets each. States between two news may be left out, an object's last one never is; one that is gone
// and was made again under its name is told as gone first. Idle, it costs about a request an hour.
func (c *Client) Watch(ctx context.Context, r Resource, trouble func(error)) iter.Seq[Watched] {
	return func(yield func(Watched) bool) {
		w := &watcher{client: c, resource: r, known: map[string]json.RawMessage{}, yield: yield}
		for delay := watchRetry; ; {
			began := time.Now()
			err := w.session(ctx)
			if errors.Is(err, errStopped) || ctx.Err() != nil {
				return
			}
			if err != nil && !expired(err) && trouble != nil {
				trouble(fmt.Errorf("watch %s at %s: %w", r, c.Host(), err))
			}
			wait := max(delay/2+rand.N(delay/2), asked(err))
			delay = min(delay*2, watchRetries)
			if lasted := time.Since(began); lasted > watchRetry && err == nil || lasted > watchRetries {
				wait, delay = 0, watchRetry
			}
			if c.sleep(ctx, wait) != nil {
				return
			}
		}
	}
}

var errStopped = errors.New("the caller has stopped")

// watcher is one watch over all its connections.
type watcher struct {
	client   *Client
	resource Resource
	version  string                     // what has been seen; empty: list first
	known    map[string]json.RawMessage // the last state of each object, by UID
	yield    func(Watched) bool
}

// session lists, if it must, and follows one connection to its end: nil when the server ended it in good order.
func (w *watcher) session(ctx context.Context) error {
	if w.version == "" {
		if err := w.list(ctx); err != nil {
			return err
		}
	}
	err := w.follow(ctx)
	if expired(err) {
		w.version = "" // what happened meanwhile is forgotten: the list tells what is
	}
	return err
}

// expired tells whether the server has forgotten what the watch, or a page of its list, was to go on from.
func expired(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.ErrStatus.Code == http.StatusGone
}

// asked is how long the server wants to be left alone.
func asked(err error) time.Duration {
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok && status.ErrStatus.Details != nil {
		return min(time.Duration(status.ErrStatus.Details.RetryAfterSeconds)*time.Second, maxWait)
	}
	return 0
}

// list tells what there is, and which of the objects that were known are gone.
func (w *watcher) list(ctx context.Context) error {
	var version string
	objects := map[string]json.RawMessage{}
	query := w.resource.narrowed()
	query.Set("limit", strconv.Itoa(DefaultPageSize))
	for {
		var b buffer
		if err := w.client.get(ctx, "list "+w.resource.String(), w.resource.Path(), query, &b.body, maxPage); err != nil {
			return err
		}
		got, err := slice(&b)
		if err != nil {
			return err
		}
		version = got.page.ResourceVersion
		for _, item := range got.page.Items {
			objects[gjson.GetBytes(item, "metadata.uid").String()] = bytes.Clone(item)
		}
		if got.next == "" {
			break
		}
		query.Set("continue", got.next)
	}
	for uid, last := range w.known {
		if _, there := objects[uid]; !there && !w.tell(Watched{Object: last, UID: uid, Gone: true}) {
			return errStopped
		}
	}
	for uid, object := range objects {
		if !bytes.Equal(w.known[uid], object) && !w.tell(Watched{Object: object, UID: uid}) {
			return errStopped
		}
	}
	w.version = version
	if !w.yield(Watched{Synced: true}) {
		return errStopped
	}
	return nil
}

func (w *watcher) tell(e Watched) bool {
	if e.Gone {
		delete(w.known, e.UID)
	} else {
		w.known[e.UID] = e.Object
	}
	return w.yield(e)
}

// follow reads one connection until it ends.
func (w *watcher) follow(parent context.Context) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	silent := fmt.Errorf("nothing was heard for %s: %w", watchSilence, io.ErrUnexpectedEOF)
	alarm := time.AfterFunc(watchSilence, func() { cancel(silent) })
	defer alarm.Stop()
	body, err := w.open(ctx)
	if err != nil {
		return ended(ctx, parent, err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, maxObject)
	for lines.Scan() {
		alarm.Reset(watchSilence)
		if err := w.line(lines.Bytes()); err != nil {
			return err
		}
	}
	return ended(ctx, parent, lines.Err())
}

// ended is why a connection ended: what this side has decided, where it has, else what the connection brought.
func ended(ctx, parent context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && parent.Err() == nil {
		return cause
	}
	return err
}

// open begins the watch behind what has been seen.
func (w *watcher) open(ctx context.Context) (io.ReadCloser, error) {
	query := w.resource.narrowed()
	query.Set("watch", "1")
	query.Set("allowWatchBookmarks", "true")
	query.Set("resourceVersion", w.version)
	query.Set("timeoutSeconds", strconv.Itoa(int((watchLength + rand.N(watchLength/5)).Seconds())))
	u := *w.client.base
	u.Path = strings.TrimSuffix(u.Path, "/") + w.resource.Path()
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := w.client.http.Do(req)
	if err != nil {
		return nil, cause(err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, statusError(req, resp)
	}
	return resp.Body, nil
}

// line takes one event in.
func (w *watcher) line(data []byte) error {
	var event struct {
		Type   string
		Object json.RawMessage
	}
	if err := json.Unmarshal(data, &event); err != nil {
		return fmt.Errorf("read an event of %d bytes: %w", len(data), err)
	}
	if event.Type == "ERROR" {
		var status metav1.Status
		if err := json.Unmarshal(event.Object, &status); err != nil {
			return fmt.Errorf("read an event that is an error: %w", err)
		}
		return &apierrors.StatusError{ErrStatus: status}
	}
	meta := gjson.GetManyBytes(event.Object, "metadata.uid", "metadata.resourceVersion")
	uid, version := meta[0].String(), meta[1].String()
	if version == "" {
		return fmt.Errorf("an event of type %q has no metadata.resourceVersion", event.Type)
	}
	switch event.Type {
	case "BOOKMARK":
	case "ADDED", "MODIFIED", "DELETED":
		if !w.tell(Watched{Object: event.Object, UID: uid, Gone: event.Type == "DELETED"}) {
			return errStopped
		}
	default:
		return fmt.Errorf("an event of the unknown type %q", event.Type)
	}
	w.version = version
	return nil
}
