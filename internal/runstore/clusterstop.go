package runstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/kube"
)

// Cancel implements Store: it makes the ConfigMap ID-cancel, which the process that has the run looks for. Of a run that was suspended, or
// whose process died, the next process hears it. ErrNotRunning when it got to its end.
func (s *ClusterStore) Cancel(ctx context.Context, id string) error {
	h, err := toCancel(ctx, s, id)
	if err != nil {
		return err
	}
	if h.Ended != nil {
		return fmt.Errorf("cancel run %s: %w", id, ErrNotRunning)
	}
	body, err := json.Marshal(newConfigMap(s.resource, s.cancelName(id), id, cancelPart))
	if err != nil {
		return fmt.Errorf("cancel run %s: %w", id, err)
	}
	err = s.again(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, requestTime)
		defer cancel()
		_, err := s.client.Create(ctx, s.resource, s.cancelName(id), body, kube.WriteOptions{})
		return err
	})
	if apierrors.IsAlreadyExists(err) {
		_, err = s.ofRun(ctx, s.cancelName(id), id, cancelPart)
	}
	if err != nil {
		return fmt.Errorf("cancel run %s: %w", id, err)
	}
	return nil
}

// Cancelled implements Store: one look, so that an API server which does not answer is an error soon; look again later.
func (s *ClusterStore) Cancelled(ctx context.Context, id string) (bool, error) {
	if err := engine.CheckRunID(id); err != nil {
		return false, err
	}
	m, err := s.get(ctx, s.cancelName(id))
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look whether run %s is cancelled: %w", id, err)
	}
	return m.is(id, cancelPart), nil
}

// Delete implements Store. Whether the run goes on is for the caller to know, who asks the lock. ErrRunning when it was written to between
// the look and the deletion. One that goes on all the same stops with ErrForeignWriter.
func (s *ClusterStore) Delete(ctx context.Context, id string) error {
	if err := engine.CheckRunID(id); err != nil {
		return err
	}
	if err := s.remove(ctx, s.journalName(id), id, journalPart); err != nil {
		return fmt.Errorf("delete run %s: %w", id, err)
	}
	for name, part := range map[string]string{s.cancelName(id): cancelPart, s.logsName(id): logsPart} {
		if err := s.remove(ctx, name, id, part); err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, errForeignObject) {
			return fmt.Errorf("delete run %s: %w", id, err)
		}
	}
	return nil
}

// remove deletes the very object that it has seen to be of the run, as it was then. One that is gone after a request that was not answered
// is deleted.
func (s *ClusterStore) remove(ctx context.Context, name, id, part string) error {
	m, err := s.ofRun(ctx, name, id, part)
	if err != nil {
		return err
	}
	sent := false
	err = s.again(ctx, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, requestTime)
		defer cancel()
		err := s.client.Delete(ctx, s.resource, name, m.text("uid"), m.text("resourceVersion"))
		if sent && apierrors.IsNotFound(err) {
			return nil
		}
		sent = true
		return err
	})
	switch {
	case apierrors.IsConflict(err):
		return fmt.Errorf("%w: %w", ErrRunning, err)
	case apierrors.IsNotFound(err):
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}
