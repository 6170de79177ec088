package bwtest

import "net/http"

// Fault is one thing that goes wrong. On "" means every endpoint. It hits the next Times requests (0 is one, negative is
// for ever), then is gone. Do answers instead of next, which is the answer without the fault.
type Fault struct {
	On    Endpoint
	Times int
	Do    func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc)
}

// At is f for one endpoint only.
func (f Fault) At(e Endpoint) Fault { f.On = e; return f }

// For is f for n requests; negative is for ever.
func (f Fault) For(n int) Fault { f.Times = n; return f }

// FailNext queues faults; each request takes the first that fits it.
func (s *Server) FailNext(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.Times == 0 {
			f.Times = 1
		}
		s.faults = append(s.faults, &f)
	}
}

// Heal drops all queued faults.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

func (s *Server) take(e Endpoint) *Fault {
	for i, f := range s.faults {
		if f.On != "" && f.On != e {
			continue
		}
		if f.Times--; f.Times == 0 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		}
		return f
	}
	return nil
}
