package steptest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/retention/retentiontest"
	"plan/internal/secrets"
	"plan/steps"
)

// Canary is the value of every secret that a World has no other value for.
const Canary = "canary-9f3QxZ7w"

// Started is when a World's run began, and what its clock shows.
var Started = time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)

// World is what an action works in: a cluster, a store and an Env that leads to them. A test may change all of it before use.
type World struct {
	Kube  *kubetest.Server
	Store *retentiontest.Store
	Env   *steps.Env

	// Secrets has values of fields by their source ("env HEALTHCHECKS_URL"). Others are Canary.
	Secrets map[string]string
	// Canaries are words that may appear nowhere. Canary is one of them; parts of Secrets' values may be added.
	Canaries []string

	mu     sync.Mutex
	said   []string
	hidden []string
	notes  map[string]string
	lines  []steps.PodLine
	logs   map[string]string
}

// NewWorld is an empty store beside an empty cluster named k3s, whose UID is kubetest.UID.
func NewWorld(t *testing.T) *World {
	w := &World{
		Kube: kubetest.New(t), Store: &retentiontest.Store{}, Secrets: map[string]string{}, Canaries: []string{Canary},
		notes: map[string]string{}, logs: map[string]string{},
	}
	dir := t.TempDir()
	w.Env = &steps.Env{
		Scope: steps.Scope{
			Plan: "nightly", Run: "run-1", Started: Started, Step: "step", Attempt: 1, Cluster: "k3s", Namespace: "default", Timeout: 10 * time.Minute, Dir: dir,
		},
		Cluster:  steps.Cluster{Name: "k3s", UID: kubetest.UID},
		Kube:     w.Kube.Client(t),
		Store:    func(string) (objectstore.Store, error) { return w.Store, nil },
		Secret:   w.secret,
		Hide:     w.hide,
		Dir:      dir,
		Run:      steps.RunState{Outcome: "succeeded"},
		Now:      func() time.Time { return Started },
		Log:      func(format string, args ...any) { w.say(fmt.Sprintf(format, args...)) },
		Progress: func(what string, _, _ int64, _ string) { w.say(what) },
		Mask:     func(text string) string { return text },
		HandedOn: func(context.Context) bool { return false },
		Note:     w.note,
		PodLog:   w.podLog,
		KeepLog:  w.keepLog,
	}
	return w
}

func (w *World) note(key, value string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes[key] = value
	return nil
}

// Notes is what the action noted. A test of what comes after a crash makes it the Noted of the next Env.
func (w *World) Notes() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.notes)
}

func (w *World) podLog(line steps.PodLine) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
}

// PodLines are the lines of pods' logs that the action told.
func (w *World) PodLines() []steps.PodLine {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.lines)
}

func (w *World) keepLog(name string, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.logs[name] = string(data)
	return nil
}

// Logs are the logs of pods that the action kept, by name.
func (w *World) Logs() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.logs)
}

func (w *World) secret(v secrets.Value) (string, error) {
	if v.From == nil {
		return v.Literal, nil
	}
	if value, ok := w.Secrets[v.From.String()]; ok {
		return value, nil
	}
	return Canary, nil
}

// hide takes what an action has read itself and wants masked.
func (w *World) hide(value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hidden = append(w.hidden, value)
}

// Hidden is what the action wants masked.
func (w *World) Hidden() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.hidden)
}

func (w *World) say(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, line)
}

// Said is what the action logged and reported as progress, in lines.
func (w *World) Said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, "\n")
}
