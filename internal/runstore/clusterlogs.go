package runstore

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// The logs of a run's pods are a ConfigMap beside its journal, which owns it. Each entry is a log of its own: its name is a number, which
// grows, its value a gzip of a line of JSON that says whose it is and of the log.

func (s *ClusterStore) logsName(id string) string { return "plan-logs-" + id }

// logHead is the first line of an entry.
type logHead struct {
	Of      string    `json:"of"`
	Name    string    `json:"name"`
	Attempt int       `json:"attempt"`
	Time    time.Time `json:"time"`
}

// is tells whether two logs are of one pod in one attempt.
func (l *Log) is(o *Log) bool { return l.Of == o.Of && l.Name == o.Name && l.Attempt == o.Attempt }

func encodeLog(l Log) ([]byte, error) {
	head, err := json.Marshal(logHead{l.Of, l.Name, l.Attempt, l.Time.UTC()})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err = z.Write(append(append(head, '\n'), l.Data...))
	err = errors.Join(err, z.Close())
	return b.Bytes(), err
}

func decodeLog(data []byte) (Log, error) {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return Log{}, err
	}
	plain, err := io.ReadAll(io.LimitReader(z, 2*MaxLog)) // a small object cannot fill the memory
	if err != nil {
		return Log{}, err
	}
	first, rest, _ := bytes.Cut(plain, []byte("\n"))
	var head logHead
	if err := json.Unmarshal(first, &head); err != nil {
		return Log{}, err
	}
	return Log{head.Of, head.Attempt, head.Name, head.Time, rest[:min(len(rest), MaxLog)]}, nil
}

// addLogs puts logs into a ConfigMap's data: each takes the place of an earlier one of the same pod and attempt, and where all are too
// large the oldest go.
func addLogs(data map[string][]byte, logs []Log) error {
	keys := slices.SortedFunc(maps.Keys(data), func(a, b string) int { return number(a) - number(b) })
	at := make([]Log, len(keys))
	next := 1
	for i, key := range keys {
		at[i], _ = decodeLog(data[key]) // what cannot be read is nobody's, and goes when it is the oldest
		next = max(next, number(key)+1)
	}
	for _, l := range logs {
		value, err := encodeLog(l)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(at, func(o Log) bool { return l.is(&o) }); i >= 0 {
			delete(data, keys[i])
			keys, at = slices.Delete(keys, i, i+1), slices.Delete(at, i, i+1)
		}
		key := strconv.Itoa(next)
		keys, at, next = append(keys, key), append(at, l), next+1
		data[key] = value
	}
	size := 0
	for key, value := range data {
		size += len(key) + len(value)
	}
	for ; size > maxLogs; keys = keys[1:] {
		size -= len(keys[0]) + len(data[keys[0]])
		delete(data, keys[0])
	}
	return nil
}

// number is that of an entry; of what is none of ours 0.
func number(key string) int {
	n, _ := strconv.Atoi(key)
	return max(n, 0)
}

// Logs implements Store.
func (s *ClusterStore) Logs(ctx context.Context, id string) ([]Log, error) {
	journal, err := s.find(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("read the logs of run %s: %w", id, err)
	}
	m, err := s.ofRun(ctx, s.logsName(id), id, logsPart)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && !m.ownedBy(journal):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read the logs of run %s: %w", id, err)
	}
	var logs []Log
	var errs []error
	for key, value := range m.BinaryData {
		l, err := decodeLog(value)
		if err != nil {
			errs = append(errs, fmt.Errorf("read the logs of run %s: configmap %s, entry %s: %w", id, s.logsName(id), key, err))
			continue
		}
		logs = append(logs, l)
	}
	oldestFirst(logs)
	return logs, errors.Join(errs...)
}
