package kubetest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// discovery answers which versions a group has, and which resources a version: those of the lists that the server knows. False is for any other
// path. Groups come in the form of old (without aggregation), which every server has.
func (s *Server) discovery(path string) (int, string, bool) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	depth := map[string]int{"api": 2, "apis": 3}[parts[0]]
	if depth == 0 || len(parts) < depth-1 || len(parts) > depth {
		return 0, "", false
	}
	var below []string // what stands behind path in the paths of lists
	for list := range s.lists {
		if rest, ok := strings.CutPrefix(list, "/"+strings.Join(parts, "/")+"/"); ok {
			word, _, _ := strings.Cut(rest, "/")
			below = append(below, word)
		}
	}
	slices.Sort(below)
	below = slices.Compact(below)
	type name struct {
		Name    string `json:"name,omitempty"`
		Version string `json:"version,omitempty"`
	}
	var names []name
	for _, word := range below {
		if len(parts) == depth {
			names = append(names, name{Name: word})
		} else {
			names = append(names, name{Version: word})
		}
	}
	var answer any = fields{"kind": "APIGroup", "apiVersion": "v1", "versions": names}
	switch {
	case len(below) == 0:
		return http.StatusNotFound, failure(http.StatusNotFound, "NotFound", "the server could not find the requested resource"), true
	case len(parts) == depth:
		answer = fields{"kind": "APIResourceList", "apiVersion": "v1", "resources": names}
	case depth == 2:
		answer = fields{"kind": "APIVersions", "versions": below}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		panic(err) // texts always marshal
	}
	return http.StatusOK, string(text), true
}
