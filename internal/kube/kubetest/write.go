package kubetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
)

// write answers a create, an update, a merge patch or a delete, with the preconditions of the real one that callers rely on: names are
// unique, and a resourceVersion that is given must be the stored one.
func (s *Server) write(r *http.Request) (int, string) {
	path, namespace, name := split(r.URL.Path)
	l := s.lists[path]
	if l == nil {
		return http.StatusNotFound, failure(http.StatusNotFound, "NotFound", "the server could not find the requested resource")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "BadRequest", err.Error())
	}
	at := slices.IndexFunc(l.items, func(item string) bool { m := metadata(item); return m.Name == name && m.Namespace == namespace })
	if r.Method == http.MethodPost {
		m := metadata(string(body))
		if slices.ContainsFunc(l.items, func(item string) bool { o := metadata(item); return o.Name == m.Name && o.Namespace == namespace }) {
			return http.StatusConflict, failure(http.StatusConflict, "AlreadyExists", fmt.Sprintf("%s %q already exists", l.kind, m.Name))
		}
		at = len(l.items)
	} else if at < 0 {
		return http.StatusNotFound, failure(http.StatusNotFound, "NotFound", fmt.Sprintf("%s %q not found", l.kind, name))
	}
	dry := r.URL.Query().Get("dryRun") == "All"
	switch r.Method {
	case http.MethodDelete:
		if !precondition(body, l.items[at]) {
			return http.StatusConflict, failure(http.StatusConflict, "Conflict", "the object has been modified: Precondition failed")
		}
		if !dry {
			s.remove(l, at)
		}
		return http.StatusOK, `{"kind":"Status","apiVersion":"v1","status":"Success"}`
	case http.MethodPatch:
		if body, err = jsonpatch.MergePatch([]byte(l.items[at]), body); err != nil {
			return http.StatusBadRequest, failure(http.StatusBadRequest, "BadRequest", err.Error())
		}
	}
	return s.store(l, at, r.Method, namespace, body, dry)
}

// store puts an object in its place, with what the server gives to it.
func (s *Server) store(l *list, at int, method, namespace string, body []byte, dry bool) (int, string) {
	var object map[string]any
	if err := json.Unmarshal(body, &object); err != nil {
		return http.StatusBadRequest, failure(http.StatusBadRequest, "BadRequest", err.Error())
	}
	meta, _ := object["metadata"].(map[string]any)
	if meta == nil || meta["name"] == nil {
		return http.StatusUnprocessableEntity, failure(http.StatusUnprocessableEntity, "Invalid", "metadata.name: Required value")
	}
	given, _ := meta["resourceVersion"].(string)
	verb, code := "update", http.StatusOK
	if method == http.MethodPost {
		verb, code = "create", http.StatusCreated
		if given != "" { // as the real one: 500
			return http.StatusInternalServerError, failure(http.StatusInternalServerError, "InternalError", "resourceVersion should not be set on objects to be created")
		}
		meta["uid"], meta["creationTimestamp"] = fmt.Sprintf("00000000-0000-4000-8000-%012d", s.version+1), "2026-03-02T02:00:00Z"
		if namespace != "" {
			meta["namespace"] = namespace
		}
	} else if stored := resourceVersion(l.items[at]); given != "" && given != stored {
		return http.StatusConflict, failure(http.StatusConflict, "Conflict", "the object has been modified; please apply your changes to the latest version and try again")
	}
	if s.React != nil {
		if err := s.React(verb, l.kind, object); err != nil {
			return http.StatusUnprocessableEntity, failure(http.StatusUnprocessableEntity, "Invalid", err.Error())
		}
	}
	if s.Warn != nil {
		s.warnings = s.Warn(l.kind, object)
	}
	meta["resourceVersion"] = strconv.Itoa(s.version + 1)
	object["apiVersion"], object["kind"] = l.apiVersion, l.kind
	text, err := json.Marshal(object)
	if err != nil {
		return http.StatusInternalServerError, failure(http.StatusInternalServerError, "InternalError", err.Error())
	}
	switch {
	case dry:
	case at == len(l.items):
		l.items = append(l.items, string(text))
		s.version++
		s.happened(l, "ADDED", string(text))
	default:
		l.items = slices.Clone(l.items) // a list that is being paged through stays as it was
		l.items[at] = string(text)
		s.version++
		s.happened(l, "MODIFIED", string(text))
	}
	return code, strings.TrimSpace(string(text))
}

// remove deletes an object. What a watch is told is its last state, at a version of its own.
func (s *Server) remove(l *list, at int) {
	s.version++
	last := versioned(l.items[at], s.version)
	l.items = slices.Delete(slices.Clone(l.items), at, at+1)
	s.happened(l, "DELETED", last)
}

// versioned is an object at a version.
func versioned(item string, version int) string {
	text, err := jsonpatch.MergePatch([]byte(item), fmt.Appendf(nil, `{"metadata":{"resourceVersion":"%d"}}`, version))
	if err != nil {
		panic(err) // what is stored is JSON
	}
	return string(text)
}

func resourceVersion(item string) string {
	var o struct {
		Metadata struct{ ResourceVersion string }
	}
	_ = json.Unmarshal([]byte(item), &o) // what is stored is JSON
	return o.Metadata.ResourceVersion
}

// precondition compares the preconditions of a delete with what is stored.
func precondition(options []byte, item string) bool {
	var o struct {
		Preconditions struct{ UID, ResourceVersion string }
	}
	_ = json.Unmarshal(options, &o) // without options there are none
	want := o.Preconditions
	var stored struct {
		Metadata struct{ UID, ResourceVersion string }
	}
	_ = json.Unmarshal([]byte(item), &stored) // what is stored is JSON
	return (want.UID == "" || want.UID == stored.Metadata.UID) && (want.ResourceVersion == "" || want.ResourceVersion == stored.Metadata.ResourceVersion)
}
