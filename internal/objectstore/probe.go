package objectstore

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"
)

// probeName begins the names of probe objects: no backup, snapshot or record of a run is called so.
const probeName = "plan-preflight-"

// tidyTimeout bounds the removal of a probe object when ctx has ended.
const tidyTimeout = 10 * time.Second

// Probe is what came of writing to a store to see whether that works.
type Probe struct {
	Key string // of the object that was written
	Put error  // why it could not be stored as it was sent, or not read back; nil: it could

	// Delete is why the object is, or may be, still there. A store that keeps versions has it as an old one in any case.
	Delete error
}

// Try puts a small object of a name of its own below a prefix, reads it back, compares and deletes it, whatever came before, also when ctx ended
// meanwhile.
func Try(ctx context.Context, s Store, prefix string) Probe {
	p := Probe{Key: prefix + probeName + rand.Text()}
	body := []byte("A probe of plan preflight --write, which deletes it. " + rand.Text())
	p.Put = s.Put(ctx, p.Key, bytes.NewReader(body), int64(len(body)), PutOptions{ContentType: "text/plain", SHA256: sha256.Sum256(body), IfAbsent: true})
	if certainlyNot(p.Put) {
		return p
	}
	if p.Put == nil {
		p.Put = readBack(ctx, s, p.Key, body)
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
	defer cancel()
	p.Delete = s.Delete(own, []string{p.Key})
	return p
}

// certainlyNot tells of an error of a put that nothing was stored.
func certainlyNot(err error) bool {
	return errors.Is(err, ErrDenied) || errors.Is(err, ErrNoBucket) || errors.Is(err, ErrInvalid)
}

// readBack wants the object to be what was sent.
func readBack(ctx context.Context, s Store, key string, want []byte) error {
	r, _, err := s.Get(ctx, key, 0, -1)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(io.LimitReader(r, int64(len(want))+1))
	switch {
	case err != nil:
		return fmt.Errorf("get %q: %w", key, err)
	case !bytes.Equal(got, want):
		return fmt.Errorf("get %q: %w: what was read back is not what was sent", key, ErrDamaged)
	}
	return nil
}
