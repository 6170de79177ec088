package kubetest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Log is the log of a container, served as the kubelet and the API server do (Kubernetes 1.35): lines are filtered by their time alone,
// parts of a line are joined, only the file that is written now is read. Every method may be called while it is read.
type Log struct {
	// Cut may be nil. It is asked for each stream after how many bytes that breaks off, or a negative number, and whether it then ends in
	// good order, as when the API server loses the kubelet. Set it before the first stream.
	Cut func() (after int, orderly bool)

	s         *Server
	path      string // with the container
	pod, name string
	instances []*instance
	changed   chan struct{} // closed and replaced at each change
}

// instance is one start of the container.
type instance struct {
	file  *logFile
	ended bool
}

// logFile is a file of the runtime; rotation leaves it to those who have it open.
type logFile struct{ entries []entry }

// entry is what the runtime wrote at once: a line, or a part of one, without its end.
type entry struct {
	at   time.Time
	text string
}

// Log makes a pod known, and a container of it that is waiting to start.
func (s *Server) Log(namespace, pod, container string) *Log {
	path := "/api/v1/namespaces/" + namespace + "/pods/" + pod + "/log"
	l := &Log{s: s, path: path + "?" + container, pod: pod, name: container, changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.logs == nil {
		s.logs = map[string]*Log{}
	}
	s.logs[l.path] = l
	return l
}

// change does something and wakes who follows.
func (l *Log) change(do func()) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	do()
	close(l.changed)
	l.changed = make(chan struct{})
}

// latest is the instance that runs or ran last.
func (l *Log) latest() *instance { return l.instances[len(l.instances)-1] }

// Start starts the container, anew if it ran before.
func (l *Log) Start() {
	l.change(func() {
		if n := len(l.instances); n > 0 {
			l.instances[n-1].ended = true
		}
		l.instances = append(l.instances, &instance{file: new(logFile)})
	})
}

// End ends the container.
func (l *Log) End() { l.change(func() { l.latest().ended = true }) }

// Write adds a line.
func (l *Log) Write(at time.Time, text string) { l.Part(at, text+"\n") }

// Part adds text as it is: without a newline at its end it is a part of a line.
func (l *Log) Part(at time.Time, text string) {
	l.change(func() {
		f := l.latest().file
		f.entries = append(f.entries, entry{at, text})
	})
}

// Rotate begins a new file. What was written until now is read only by those who read it already.
func (l *Log) Rotate() { l.change(func() { l.latest().file = new(logFile) }) }

// Remove removes the pod.
func (l *Log) Remove() { l.change(func() { delete(l.s.logs, l.path) }) }

// serveLog answers a request for a log; without its pod it is not found.
func (s *Server) serveLog(w http.ResponseWriter, r *http.Request, f *Fault) {
	name := r.URL.Query().Get("container")
	l := s.logs[r.URL.Path+"?"+name]
	if l == nil {
		s.noLog(w, r.URL.Path, name)
		return
	}
	at := len(l.instances) - 1
	if r.URL.Query().Get("previous") == "true" {
		if at--; at < 0 {
			status(w, http.StatusBadRequest, "BadRequest", fmt.Sprintf("previous terminated container %q in pod %q not found", name, l.pod))
			return
		}
	}
	if at < 0 {
		status(w, http.StatusBadRequest, "BadRequest", fmt.Sprintf("container %q in pod %q is waiting to start: ContainerCreating", name, l.pod))
		return
	}
	v := &logStream{s: s, w: w, r: r, cut: -1, begins: true}
	switch {
	case f != nil && f.Cut > 0:
		v.cut, v.orderly = f.Cut, f.Honest
	case l.Cut != nil:
		v.cut, v.orderly = l.Cut()
	}
	v.run(l, l.instances[at])
}

func (s *Server) noLog(w http.ResponseWriter, path, container string) {
	parts := strings.Split(path, "/")
	pod := parts[len(parts)-2]
	for known := range s.logs {
		if strings.HasPrefix(known, path+"?") {
			status(w, http.StatusBadRequest, "BadRequest", fmt.Sprintf("container %s is not valid for pod %s", container, pod))
			return
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","message":%q,"reason":"NotFound","details":{"name":%q,"kind":"pods"},"code":404}`,
		fmt.Sprintf("pods %q not found", pod), pod)
}

// logStream is one answer.
type logStream struct {
	s       *Server
	w       http.ResponseWriter
	r       *http.Request
	cut     int
	orderly bool
	begins  bool // the next entry begins a line
}

// run sends what there is and, if asked, what comes. It holds the server's lock but while it writes or waits.
func (v *logStream) run(l *Log, from *instance) {
	query := v.r.URL.Query()
	follow := query.Get("follow") == "true"
	file, at := from.file, 0
	if n, err := strconv.Atoi(query.Get("tailLines")); err == nil {
		at = max(0, len(file.entries)-n)
	}
	v.w.Header().Set("Content-Type", "text/plain")
	dropped := v.s.dropped
	for {
		for at < len(file.entries) {
			n := min(1000, len(file.entries)-at)
			if text := v.render(file.entries[at : at+n]); !v.send(text) {
				return
			}
			at += n
		}
		v.send(nil)
		changed := l.changed
		switch {
		case at < len(file.entries):
			continue
		case file != from.file:
			file, at = from.file, 0
			continue
		case !follow || from.ended:
			return
		}
		v.s.mu.Unlock()
		select {
		case <-changed:
		case <-dropped:
		case <-v.r.Context().Done():
		}
		v.s.mu.Lock()
		if v.r.Context().Err() != nil || dropped != v.s.dropped {
			panic(http.ErrAbortHandler)
		}
	}
}

// render is what the kubelet makes of entries.
func (v *logStream) render(entries []entry) []byte {
	query := v.r.URL.Query()
	since, _ := time.Parse(time.RFC3339, query.Get("sinceTime"))
	stamps := query.Get("timestamps") == "true"
	var out []byte
	for _, e := range entries {
		if !e.at.Before(since) {
			if stamps && v.begins {
				out = e.at.UTC().AppendFormat(out, "2006-01-02T15:04:05.000000000Z07:00 ")
			}
			out = append(out, e.text...)
		}
		v.begins = e.text == "" || strings.HasSuffix(e.text, "\n")
	}
	return out
}

// send writes text without the lock, or breaks off: then it returns false, or does not return.
func (v *logStream) send(text []byte) bool {
	whole := v.cut < 0 || len(text) < v.cut
	if !whole {
		text = text[:v.cut]
	} else if v.cut >= 0 {
		v.cut -= len(text)
	}
	text = slices.Clip(text)
	v.s.mu.Unlock()
	_, err := v.w.Write(text)
	_ = http.NewResponseController(v.w).Flush() // what cannot be flushed comes at the end
	v.s.mu.Lock()
	if err != nil || !whole && !v.orderly {
		panic(http.ErrAbortHandler)
	}
	return whole
}
