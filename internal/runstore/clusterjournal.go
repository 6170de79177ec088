package runstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/pause"
)

// ErrForeignWriter means that another process has taken the run, or that it was deleted. It is an errclass.ErrLost. Nothing is written to
// the journal after it.
var ErrForeignWriter = fmt.Errorf("another process has taken the run, or it was deleted: %w", errclass.ErrLost)

// How long a write is tried: patience in all, requestTime each, with growing pauses between.
const (
	patience    = time.Minute
	requestTime = 10 * time.Second
	firstPause  = 100 * time.Millisecond
	lastPause   = 5 * time.Second
)

// clusterJournal is a run in a ConfigMap that this process writes. It is not safe for several goroutines.
type clusterJournal struct {
	store  *ClusterStore
	id     string
	object *configMap // as last read or written
	last   stamp      // of the last write that is known to be executed
	packed *packed
	err    error // the first failure; nothing is written after it
}

// Append implements engine.Journal: one update, however many records. An API server that does not answer is asked again for a minute.
func (j *clusterJournal) Append(ctx context.Context, records ...engine.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if j.err != nil || len(records) == 0 {
		return j.err
	}
	if err := j.packed.add(time.Now(), records); err != nil {
		j.err = fmt.Errorf("append to %s: %w", j.store.Describe(j.id), err)
		return j.err
	}
	if err := j.write(ctx, stamp{j.last.writer, j.last.seq + 1}); err != nil {
		j.err = fmt.Errorf("append to %s: %w", j.store.Describe(j.id), err)
	}
	return j.err
}

// Close implements engine.Journal. All that was appended is stored already.
func (j *clusterJournal) Close() error {
	if j.err == nil {
		j.err = errors.New("append to journal: it is closed")
	}
	return nil
}

// write stores what is packed, signed with next, if what is stored is what was last known, and returns when that is certain.
func (j *clusterJournal) write(ctx context.Context, next stamp) error {
	inner, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	delay := firstPause
	for {
		j.object.BinaryData = map[string][]byte{journalKey: j.packed.bytes()}
		j.object.sign(next)
		err := j.store.put(inner, j)
		if err == nil {
			j.last = next
			return nil
		}
		if definite := !kube.Passing(err) && !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err); definite {
			return j.whose(err)
		}
		done, unknown := j.look(inner, next)
		if done || unknown != nil && !kube.Passing(unknown) {
			return unknown
		}
		if pause.For(inner, delay+rand.N(delay/2)) != nil {
			return fmt.Errorf("not confirmed in time, so whether it was stored is not known: %w", kube.TimedOut(ctx, patience, err))
		}
		delay = min(2*delay, lastPause)
	}
}

// whose makes an error of a refusal.
func (j *clusterJournal) whose(err error) error {
	if apierrors.IsNotFound(err) && j.last != (stamp{}) {
		return fmt.Errorf("%w: %w", ErrForeignWriter, err)
	}
	return err
}

// look reads what is stored after a write that was not confirmed. done is that the write was executed; no error and not done, that what
// was there before it still is, or for the first write nothing.
func (j *clusterJournal) look(ctx context.Context, next stamp) (done bool, err error) {
	stored, err := j.store.get(ctx, j.store.journalName(j.id))
	if apierrors.IsNotFound(err) && j.last == (stamp{}) {
		return false, nil
	}
	if err != nil {
		return false, j.whose(err)
	}
	switch got := stored.stamp(); {
	case !stored.is(j.id, journalPart):
		return false, errForeignObject
	case got == next:
		j.object, j.last = stored, next
		return true, nil
	case j.last == (stamp{}):
		return false, ErrExists
	case got == j.last:
		j.object = stored
		return false, nil
	default:
		return false, ErrForeignWriter
	}
}

// put sends what a journal has, once: as an update of what it was read from, or to make it.
func (s *ClusterStore) put(ctx context.Context, j *clusterJournal) error {
	body, err := json.Marshal(j.object)
	if err != nil {
		return fmt.Errorf("encode configmap: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	send := s.client.Update
	if j.object.text("resourceVersion") == "" {
		send = s.client.Create
	}
	data, err := send(ctx, s.resource, s.journalName(j.id), body, kube.WriteOptions{})
	if err != nil {
		return err
	}
	stored, err := decodeConfigMap(data)
	if err != nil {
		return fmt.Errorf("%w: %w", kube.ErrUnanswered, err)
	}
	j.object = stored
	return nil
}

// get reads one ConfigMap.
func (s *ClusterStore) get(ctx context.Context, name string) (*configMap, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	data, err := s.client.Get(ctx, s.resource, name)
	if err != nil {
		return nil, err
	}
	return decodeConfigMap(data)
}
