package kubetest

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Fault spoils requests.
type Fault struct {
	Path   string // part of the path or the query; empty matches all
	Kth    int    // which of the matching requests, from 1; 0 is every one
	Status int    // answer with this status instead of executing the request

	Message    string // with Status: what the Status object says, instead of nothing in particular
	RetryAfter string // header, with Status
	Plain      bool   // with Status: no Status object, as from a proxy

	Cut    int  // cut the body after so many bytes
	Honest bool // with Cut: Content-Length is that of what is left, as from a proxy

	seen int
}

// Fail adds a fault.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Forget drops the lists that are being paged through, as compaction does: continue tokens answer 410.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.snapshots)
}

// fault counts a request and gives the fault that it meets.
func (s *Server) fault(r *http.Request) *Fault {
	var met *Fault
	for _, f := range s.faults {
		if !strings.Contains(r.URL.Path+"?"+r.URL.RawQuery, f.Path) {
			continue
		}
		f.seen++
		if met == nil && (f.Kth == 0 || f.seen == f.Kth) {
			met = f
		}
	}
	return met
}

var reasons = map[int]string{
	http.StatusBadRequest:          "BadRequest",
	http.StatusConflict:            "Conflict",
	http.StatusUnauthorized:        "Unauthorized",
	http.StatusForbidden:           "Forbidden",
	http.StatusNotFound:            "NotFound",
	http.StatusGone:                "Expired",
	http.StatusTooManyRequests:     "TooManyRequests",
	http.StatusInternalServerError: "InternalError",
	http.StatusServiceUnavailable:  "ServiceUnavailable",
}

func (f *Fault) answer(w http.ResponseWriter) {
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	if f.Plain {
		http.Error(w, "upstream says no", f.Status)
		return
	}
	status(w, f.Status, reasons[f.Status], cmp.Or(f.Message, "the test server says no"))
}

func status(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(failure(code, reason, message)))
}

func failure(code int, reason, message string) string {
	return fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`,
		message, reason, code)
}

// cut sends a part of a body.
func cut(w http.ResponseWriter, part string, whole int, honest bool) {
	length := whole
	if honest {
		length = len(part)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(length))
	_, _ = w.Write([]byte(part)) // the server closes the connection when fewer bytes come than announced
}
