package kubetest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	"k8s.io/apimachinery/pkg/labels"

	"plan/internal/objects"
)

// event is one change of an object of a list.
type event struct {
	version    int
	kind, item string // kind: ADDED, MODIFIED, DELETED
}

// happened records a change and wakes the watches.
func (s *Server) happened(l *list, kind, item string) {
	if resourceVersion(item) == "" {
		item = versioned(item, s.version)
	}
	l.events = append(l.events, event{s.version, kind, item})
	close(s.changed)
	s.changed = make(chan struct{})
}

// Compact forgets every event so far: a watch from before it answers 410, as after compaction by etcd.
func (s *Server) Compact() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compacted = s.version
	for _, l := range s.lists {
		l.events = nil
	}
	clear(s.snapshots)
}

// Drop ends every watch that is going on, and every log that is followed, as a restart of the API server does.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.dropped)
	s.dropped = make(chan struct{})
}

// watch answers a watch until the client leaves, a fault cuts it, or Drop.
func (s *Server) watch(w http.ResponseWriter, r *http.Request, budget int) {
	path, namespace, _ := split(r.URL.Path)
	l := s.lists[path]
	selector, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	from, bad := strconv.Atoi(r.URL.Query().Get("resourceVersion"))
	switch {
	case l == nil:
		status(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
		return
	case err != nil || bad != nil:
		status(w, http.StatusBadRequest, "BadRequest", fmt.Sprint(err, bad))
		return
	case from < s.compacted:
		status(w, http.StatusGone, "Expired", "too old resource version")
		return
	}
	w.Header().Set("Content-Type", "application/json")
	dropped := s.dropped
	for {
		for _, e := range l.events {
			m := metadata(e.item)
			named := selected(r, e.item)
			if e.version <= from || namespace != "" && m.Namespace != namespace || !named || !selector.Matches(labels.Set(m.Labels)) {
				continue
			}
			from = e.version
			line := fmt.Sprintf(`{"type":%q,"object":%s}`+"\n", e.kind, objects.Typed([]byte(e.item), l.apiVersion, l.kind))
			if budget > 0 && len(line) >= budget {
				_, _ = w.Write([]byte(line[:budget]))
				return
			}
			budget -= min(budget, len(line))
			_, _ = w.Write([]byte(line))
		}
		_ = http.NewResponseController(w).Flush() // what cannot be flushed comes at the end
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-dropped:
		case <-r.Context().Done():
		}
		s.mu.Lock()
		if r.Context().Err() != nil || dropped != s.dropped {
			return
		}
	}
}

// selected applies a field selector: equalities of texts.
func selected(r *http.Request, item string) bool {
	for term := range strings.SplitSeq(r.URL.Query().Get("fieldSelector"), ",") {
		if field, want, ok := strings.Cut(term, "="); ok && gjson.Get(item, field).String() != want {
			return false
		}
	}
	return true
}
