package runstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/pause"
)

// maxWaiting is how many bytes of logs wait to be written; of more the oldest are not kept.
const maxWaiting = 8 << 20

// clusterLogs keeps logs in a ConfigMap. One goroutine writes; what comes meanwhile goes with the next write, in one.
type clusterLogs struct {
	store  *ClusterStore
	id     string
	wake   chan struct{} // holds one: there is something to write, or to end for
	ended  chan struct{} // the goroutine has
	cancel context.CancelFunc

	mu      sync.Mutex
	waiting []Log
	closed  bool
	errs    []error // of logs that were given up, the last few
}

// KeepLogs implements Store.
func (s *ClusterStore) KeepLogs(ctx context.Context, id string) LogKeeper {
	ctx, cancel := context.WithCancel(ctx)
	k := &clusterLogs{store: s, id: id, wake: make(chan struct{}, 1), ended: make(chan struct{}), cancel: cancel}
	go k.run(ctx)
	return k
}

// Keep implements LogKeeper.
func (k *clusterLogs) Keep(l Log) error {
	if err := l.check(); err != nil {
		return err
	}
	l.Data = bytes.Clone(tail(l.Data))
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return fmt.Errorf("keep the log of %s: the run is over", l.Name)
	}
	k.waiting = append(slices.DeleteFunc(k.waiting, func(o Log) bool { return l.is(&o) }), l)
	size := 0
	for _, l := range k.waiting {
		size += len(l.Data)
	}
	for ; size > maxWaiting; k.waiting = k.waiting[1:] {
		size -= len(k.waiting[0].Data)
	}
	k.stir()
	return nil
}

func (k *clusterLogs) stir() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Close implements LogKeeper.
func (k *clusterLogs) Close(ctx context.Context) error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.stir()
	select {
	case <-k.ended:
	case <-ctx.Done():
		k.cancel()
		<-k.ended
	}
	k.cancel()
	k.mu.Lock()
	defer k.mu.Unlock()
	if n := len(k.waiting); n > 0 {
		k.errs = append(k.errs, fmt.Errorf("there was no time for those of %d pods", n))
	}
	if err := errors.Join(k.errs...); err != nil {
		return fmt.Errorf("keep the logs of pods in configmap %s/%s: %w", k.store.resource.Namespace, k.store.logsName(k.id), err)
	}
	return nil
}

// run writes until it is closed.
func (k *clusterLogs) run(ctx context.Context) {
	defer close(k.ended)
	var stored *configMap
	for {
		select {
		case <-k.wake:
		case <-ctx.Done():
			return
		}
		k.mu.Lock()
		logs, closed := k.waiting, k.closed
		k.waiting = nil
		k.mu.Unlock()
		if len(logs) > 0 {
			var err error
			if stored, err = k.write(ctx, stored, logs); err != nil {
				k.mu.Lock()
				k.errs = append(k.errs[:min(len(k.errs), 3)], err)
				k.mu.Unlock()
			}
		}
		if closed {
			return
		}
	}
}

// write adds logs to what is stored, which is read anew when it is nil, or not what it was. An API server that does not answer is asked
// again for a minute.
func (k *clusterLogs) write(ctx context.Context, stored *configMap, logs []Log) (*configMap, error) {
	inner, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for delay := firstPause; ; delay = min(2*delay, lastPause) {
		now, err := k.put(inner, stored, logs)
		if err == nil {
			return now, nil
		}
		again := kube.Passing(err) || apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err)
		if !again || pause.For(inner, delay) != nil {
			return nil, kube.TimedOut(ctx, patience, err)
		}
		stored = nil
	}
}

// put writes once.
func (k *clusterLogs) put(ctx context.Context, stored *configMap, logs []Log) (*configMap, error) {
	if stored == nil {
		var err error
		if stored, err = k.store.loadLogs(ctx, k.id); err != nil {
			return nil, err
		}
	}
	if err := addLogs(stored.BinaryData, logs); err != nil {
		return nil, err
	}
	body, err := json.Marshal(stored)
	if err != nil {
		return nil, fmt.Errorf("encode configmap: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	send := k.store.client.Update
	if stored.text("resourceVersion") == "" {
		send = k.store.client.Create
	}
	data, err := send(ctx, k.store.resource, k.store.logsName(k.id), body, kube.WriteOptions{})
	if err != nil {
		return nil, err
	}
	return decodeConfigMap(data)
}

// loadLogs is the ConfigMap as it is stored, or a new one. What was left of an earlier run of that id is not this one's.
func (s *ClusterStore) loadLogs(ctx context.Context, id string) (*configMap, error) {
	journal, err := s.find(ctx, id)
	if err != nil {
		return nil, err
	}
	m, err := s.ofRun(ctx, s.logsName(id), id, logsPart)
	switch {
	case errors.Is(err, ErrNotFound):
		m = newConfigMap(s.resource, s.logsName(id), id, logsPart)
	case err != nil:
		return nil, err
	}
	if !m.ownedBy(journal) {
		m.own(journal)
		m.BinaryData = nil
	}
	if m.BinaryData == nil {
		m.BinaryData = map[string][]byte{}
	}
	return m, nil
}
