package engine

import (
	"fmt"
	"sync"
	"time"
)

// eventSink hands events to one function, one at a time. The walker sends what happened, attempts send their progress.
type eventSink struct {
	mu sync.Mutex
	to func(Event)
}

func (s *eventSink) send(e Event) {
	if s.to == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to(e)
}

// eventGate is an attempt's way to the sink. It is open until the attempt is over, so that one that was given up is not heard again.
type eventGate struct {
	sink *eventSink
	shut bool          // guarded by sink.mu
	over chan struct{} // closed with it
}

func newEventGate(sink *eventSink) *eventGate {
	return &eventGate{sink: sink, over: make(chan struct{})}
}

func (g *eventGate) close() {
	g.sink.mu.Lock()
	defer g.sink.mu.Unlock()
	g.shut = true
	close(g.over)
}

func (g *eventGate) send(e Event) {
	if g.sink.to == nil {
		return
	}
	g.sink.mu.Lock()
	defer g.sink.mu.Unlock()
	if !g.shut {
		g.sink.to(e)
	}
}

// wire gives a call its ways to report.
func (g *eventGate) wire(c *Call) {
	id, instance := c.Step.ID, c.Instance
	c.Progress = func(p Progress) { g.send(StepProgress{Stamp{time.Now()}, id, instance, p}) }
	c.Log = func(format string, args ...any) {
		g.send(StepLog{Stamp{time.Now()}, id, instance, fmt.Sprintf(format, args...)})
	}
	c.PodLog = func(l PodLine) { g.send(PodLog{Stamp{time.Now()}, id, instance, l}) }
}
