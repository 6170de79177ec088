package bitwarden

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Create makes a secret from Key, Value, Note and ProjectID, a project the machine account may write. Key and note are trimmed,
// the value never. Keys are not unique: after ErrUnanswered, look for the key before trying again.
// Errors: ErrLimit (nothing sent), ErrNotFound (the project), ErrUnanswered, *APIError.
func (c *Client) Create(ctx context.Context, s Secret) (Secret, error) {
	project, err := checkIDs("project", s.ProjectID)
	if err != nil {
		return Secret{}, fmt.Errorf("create secret %q: %w", s.Key, err)
	}
	s.Key, s.Note = strings.TrimSpace(s.Key), strings.TrimSpace(s.Note)
	op := fmt.Sprintf("create secret %q in project %s", s.Key, project[0])
	if err := checkFields(s); err != nil {
		return Secret{}, fmt.Errorf("%s: %w", op, err)
	}
	return c.put(ctx, op, http.MethodPost, "/organizations/{org}/secrets", s, project[0], nil)
}

// Update gives the secret with s.ID the key, value and note of s, and its project when there is one in s. It reads the secret
// first, and sends nothing when all is as wanted. A changed value makes the server keep the former one as a version.
// Between two writers the last one wins. Errors as Create, and ErrNotFound for the secret.
func (c *Client) Update(ctx context.Context, s Secret) (Secret, error) {
	old, err := c.Secret(ctx, s.ID)
	if err != nil {
		return Secret{}, err
	}
	s.ID, s.Key, s.Note = old.ID, strings.TrimSpace(s.Key), strings.TrimSpace(s.Note)
	op := "update secret " + s.ID
	if s.ProjectID == "" { // the server takes its absence as moving the secret away, and refuses that
		s.ProjectID = old.ProjectID
	}
	project, err := checkIDs("project", s.ProjectID)
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", op, err)
	}
	if err := checkFields(s); err != nil {
		return Secret{}, fmt.Errorf("%s: %w", op, err)
	}
	changed := s.Value != old.Value
	if !changed && s.Key == old.Key && s.Note == old.Note && project[0] == old.ProjectID {
		return old, nil
	}
	return c.put(ctx, op, http.MethodPut, "/secrets/"+s.ID, s, project[0], &changed)
}

// put encrypts under the organisation's key. A session renewed on the way has the same key: it belongs to the organisation.
func (c *Client) put(ctx context.Context, op, method, path string, s Secret, project string, changed *bool) (Secret, error) {
	sess, err := c.session(ctx, nil)
	if err != nil {
		return Secret{}, fmt.Errorf("%s: %w", op, err)
	}
	e := sess.key.Encrypt
	in := wireInput{Key: e(s.Key), Value: e(s.Value), Note: e(s.Note), ProjectIDs: []string{project}, ValueChanged: changed}
	var w wireSecret
	used, err := c.call(ctx, op, method, path, in, &w)
	if err != nil {
		return Secret{}, err
	}
	var made Secret
	if method == http.MethodPut {
		made, err = opener{used, op}.only(&w, s.ID)
	} else {
		made, err = opener{used, op}.secret(&w)
	}
	if err != nil {
		return Secret{}, fmt.Errorf("%w: %w", ErrUnanswered, err)
	}
	return made, nil
}

// field is what Bitwarden takes of one field: characters by the official clients' rule, and the server's length of the
// encrypted string, which is about bytes.
type field struct {
	name, text     string
	min, max, wire int
}

func checkFields(s Secret) error {
	for _, f := range []field{
		{"key", s.Key, 1, 500, 1000},
		{"value", s.Value, 1, 25000, 35000},
		{"note", s.Note, 0, 7000, 10000},
	} {
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
}

func (f field) check() error {
	chars := utf8.RuneCountInString(f.text)
	switch {
	case !utf8.ValidString(f.text):
		return fmt.Errorf("%w: the %s is not UTF-8", ErrLimit, f.name)
	case chars < f.min:
		return fmt.Errorf("%w: the %s is empty", ErrLimit, f.name)
	case chars > f.max:
		return fmt.Errorf("%w: the %s has %d characters, %d are the most", ErrLimit, f.name, chars, f.max)
	case encLen(len(f.text)) > f.wire:
		return fmt.Errorf("%w: the %s has %d bytes, %d are the most", ErrLimit, f.name, len(f.text), maxBytes(f.wire))
	}
	return nil
}

// maxBytes is the most bytes whose encrypted string is no longer than wire.
func maxBytes(wire int) int {
	n := wire
	for encLen(n) > wire {
		n--
	}
	return n
}
