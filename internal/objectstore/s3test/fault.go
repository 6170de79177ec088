package s3test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
)

// Op names what a request asks for.
type Op string

// The operations the server knows.
const (
	List    Op = "list"    // ListObjectsV2
	Head    Op = "head"    // HeadObject
	Get     Op = "get"     // GetObject
	Put     Op = "put"     // PutObject
	Delete  Op = "delete"  // DeleteObject
	Deletes Op = "deletes" // DeleteObjects
)

// Effect is what a fault does to a request.
type Effect string

// Effects that answer instead of executing the request.
const (
	AccessDenied    Effect = "AccessDenied"               // 403
	NoSuchBucket    Effect = "NoSuchBucket"               // 404
	NotImplemented  Effect = "NotImplemented"             // 501
	InvalidArgument Effect = "InvalidArgument"            // 400
	Conflict        Effect = "ConditionalRequestConflict" // 409
	Precondition    Effect = "PreconditionFailed"         // 412
	SlowDown        Effect = "SlowDown"                   // 503
	ErrorIn200      Effect = "InternalError"              // 200 whose body is an error
	EmptyBody       Effect = "empty body"                 // 200 and nothing
	ForeignBody     Effect = "foreign body"               // 200 and a login page
	ResetBefore     Effect = "reset before"               // connection reset, nothing executed
	Hang            Effect = "hang"                       // no answer until the client goes away
)

// Effects that execute the request and spoil it or its answer.
const (
	ResetAfter  Effect = "reset after"  // executed, connection reset
	CutAnswer   Effect = "cut answer"   // half of the body, its length declared honestly
	CutBody     Effect = "cut body"     // half of the body, then the connection closes
	StoreShort  Effect = "store short"  // put: three bytes are stored, 200
	RepeatToken Effect = "repeat token" // list: always the same continuation token
	Circle      Effect = "circle"       // list: ever new tokens that all lead to the beginning
	NoToken     Effect = "no token"     // list: IsTruncated without a token
	NoFlag      Effect = "no flag"      // list: no IsTruncated
	ForeignKey  Effect = "foreign key"  // list: a key outside the prefix
	Unsorted    Effect = "unsorted"     // list: the page in reverse
)

var statuses = map[Effect]int{
	AccessDenied: 403, NoSuchBucket: 404, NotImplemented: 501, InvalidArgument: 400,
	Conflict: 409, Precondition: 412, SlowDown: 503, ErrorIn200: 200,
}

// Fault spoils requests that match it.
type Fault struct {
	Effect Effect
	Op     Op     // "" is every operation
	Header string // only requests that have this header
	Key    string // only this key; of a DeleteObjects, only this entry of it, by AccessDenied
	Skip   int    // matching requests that pass first
	Times  int    // matching requests that are spoiled after those; 0 is all
}

// Inject adds a fault. Faults are tried in the order they came.
func (s *Server) Inject(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault counts the request and gives what happens to it.
func (s *Server) fault(op Op, key string, h http.Header) Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		switch {
		case f.Op != "" && f.Op != op, f.Key != "" && f.Key != key, f.Header != "" && h.Get(f.Header) == "":
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		case f.Times < 0:
			continue
		case f.Times == 1:
			f.Times = -1
		case f.Times > 1:
			f.Times--
		}
		return f.Effect
	}
	return ""
}

// spoil handles the request under an effect.
func (s *Server) spoil(w http.ResponseWriter, r *http.Request, c call, effect Effect) {
	if status, ok := statuses[effect]; ok {
		fail(w, r, status, string(effect))
		return
	}
	switch effect {
	case EmptyBody:
		w.WriteHeader(http.StatusOK)
		return
	case ForeignBody:
		_, _ = w.Write([]byte("<html><body>please log in</body></html>"))
		return
	case ResetBefore:
		reset(w)
	case Hang:
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client left
		<-r.Context().Done()
		return
	}
	answer := httptest.NewRecorder()
	c.effect = effect
	s.execute(answer, r, c)
	body := answer.Body.Bytes()
	for k, v := range answer.Header() {
		w.Header()[k] = v
	}
	switch effect {
	case ResetAfter:
		reset(w)
	case CutAnswer:
		w.Header().Del("Content-Length")
		body = body[:len(body)/2]
	case CutBody:
		w.WriteHeader(answer.Code)
		_, _ = w.Write(body[:len(body)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(answer.Code)
	_, _ = bytes.NewReader(body).WriteTo(w)
}

// reset drops the connection so that the client sees ECONNRESET, or at least EOF.
func reset(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		conn.Close()
	}
	panic(http.ErrAbortHandler)
}
