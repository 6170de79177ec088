package bitwarden

import (
	"fmt"
	"time"
)

// wireSecret is a secret as the server sends it: key, value and note are encrypted strings. In lists value and note are absent.
type wireSecret struct {
	ID             string    `json:"id"`
	OrganizationID string    `json:"organizationId"`
	Key            string    `json:"key"`
	Value          string    `json:"value"`
	Note           *string   `json:"note"`
	CreationDate   time.Time `json:"creationDate"`
	RevisionDate   time.Time `json:"revisionDate"`
	Projects       []wireRef `json:"projects"`
}

type wireRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type wireList struct {
	Secrets  []wireSecret `json:"secrets"`
	Projects []wireRef    `json:"projects"`
}

type wireProject struct {
	ID             string    `json:"id"`
	OrganizationID string    `json:"organizationId"`
	Name           string    `json:"name"`
	CreationDate   time.Time `json:"creationDate"`
	RevisionDate   time.Time `json:"revisionDate"`
}

// wireInput is the body of a create or update.
type wireInput struct {
	Key          string   `json:"key"`
	Value        string   `json:"value"`
	Note         string   `json:"note"`
	ProjectIDs   []string `json:"projectIds"`
	ValueChanged *bool    `json:"valueChanged,omitempty"`
}

// opener opens what one answer holds; op names the request in its errors.
type opener struct {
	s  *session
	op string
}

func (o opener) text(what, id, enc string) (string, error) {
	plain, err := o.s.key.Decrypt(enc)
	if err != nil {
		return "", fmt.Errorf("%s: open %s of %s: %w", o.op, what, id, err)
	}
	return plain, nil
}

// id checks that an object names itself and belongs to the session's organisation.
func (o opener) id(id, org string) (string, error) {
	n, err := normalID(id)
	if err != nil {
		return "", fmt.Errorf("%s: %w: an object without id", o.op, ErrAnswer)
	}
	if got, err := normalID(org); err != nil || got != o.s.org {
		return "", fmt.Errorf("%s: %w: %s is of another organisation", o.op, ErrAnswer, n)
	}
	return n, nil
}

func (o opener) summary(w *wireSecret) (SecretSummary, error) {
	id, err := o.id(w.ID, w.OrganizationID)
	if err != nil {
		return SecretSummary{}, err
	}
	key, err := o.text("the key", "secret "+id, w.Key)
	if err != nil {
		return SecretSummary{}, err
	}
	out := SecretSummary{ID: id, OrganizationID: o.s.org, Key: key, Created: w.CreationDate, Revised: w.RevisionDate}
	if len(w.Projects) > 0 {
		if out.ProjectID, err = normalID(w.Projects[0].ID); err != nil {
			return SecretSummary{}, fmt.Errorf("%s: %w: secret %s has a project without id", o.op, ErrAnswer, id)
		}
	}
	return out, nil
}

// secret takes a null note as an empty one: older secrets have it, and the note is not what is asked for.
func (o opener) secret(w *wireSecret) (Secret, error) {
	sum, err := o.summary(w)
	if err != nil {
		return Secret{}, err
	}
	out := Secret{ID: sum.ID, OrganizationID: sum.OrganizationID, ProjectID: sum.ProjectID, Key: sum.Key, Created: sum.Created, Revised: sum.Revised}
	if out.Value, err = o.text("the value", "secret "+sum.ID, w.Value); err != nil {
		return Secret{}, err
	}
	if w.Note != nil {
		if out.Note, err = o.text("the note", "secret "+sum.ID, *w.Note); err != nil {
			return Secret{}, err
		}
	}
	return out, nil
}

// only is secret for an answer that must be about one id.
func (o opener) only(w *wireSecret, id string) (Secret, error) {
	sec, err := o.secret(w)
	if err == nil && sec.ID != id {
		return Secret{}, fmt.Errorf("%s: %w: it is secret %s", o.op, ErrAnswer, sec.ID)
	}
	return sec, err
}
