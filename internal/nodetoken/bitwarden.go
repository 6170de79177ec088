package nodetoken

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"plan/internal/bitwarden"
)

// vault keeps tokens as secrets of a project of Bitwarden Secrets Manager, one secret for each token.
type vault struct {
	open         func() (*bitwarden.Client, error)
	project, key string
	hide         func(string)

	projectID string // of project, once it is known
}

func openBitwarden(b Bitwarden, o Options) (Place, error) {
	v := &vault{open: o.Bitwarden, project: strings.TrimSpace(b.Project), hide: o.Hide}
	v.key = cmp.Or(strings.TrimSpace(b.Key), "k3s-node-token-"+o.Cluster)
	if v.project == "" {
		return nil, errors.New("bitwarden.project is empty")
	}
	return v, nil
}

// Target implements Place.
func (v *vault) Target(slot string) string {
	return fmt.Sprintf("bitwarden secret %s in project %s", slotName(v.key, slot), v.project)
}

// Look implements Place. Two secrets of one key are *bitwarden.AmbiguousError, which lists their ids: which of them counts is not known.
func (v *vault) Look(ctx context.Context, slot string) (Kept, error) {
	client, err := v.client(ctx)
	if err != nil {
		return Kept{}, fmt.Errorf("read %s: %w", v.Target(slot), err)
	}
	list, err := client.List(ctx, v.projectID)
	if err != nil {
		return Kept{}, fmt.Errorf("read %s: %w", v.Target(slot), err)
	}
	var ids []string
	for _, s := range list {
		if s.Key == slotName(v.key, slot) {
			ids = append(ids, s.ID)
		}
	}
	slices.Sort(ids)
	switch len(ids) {
	case 0:
		return Kept{}, fmt.Errorf("read %s: %w: none of its %d secrets that this machine account may read has this key", v.Target(slot), ErrNone, len(list))
	case 1:
		return v.read(ctx, client, slot, ids[0])
	}
	return Kept{}, fmt.Errorf("read %s: keep one secret of this key, and rename or delete the others: %w", v.Target(slot), &bitwarden.AmbiguousError{What: fmt.Sprintf("key %q", slotName(v.key, slot)), IDs: ids})
}

func (v *vault) read(ctx context.Context, client *bitwarden.Client, slot, id string) (Kept, error) {
	secret, err := client.Secret(ctx, id)
	if err != nil {
		return Kept{}, err
	}
	token, err := parseHidden(secret.Value, v.hide)
	if err != nil {
		err = fmt.Errorf("read %s (%s): %w", v.Target(slot), id, err)
	}
	return Kept{Token: token, Updated: secret.Revised, held: secret, into: true}, err
}

// client is the one of the run, with the project's id found.
func (v *vault) client(ctx context.Context) (*bitwarden.Client, error) {
	client, err := v.open()
	if err != nil || v.projectID != "" {
		return client, err
	}
	projects, err := client.Projects(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range projects {
		if strings.EqualFold(p.ID, v.project) || p.Name == v.project {
			ids = append(ids, p.ID)
		}
	}
	switch len(ids) {
	case 0:
		return nil, fmt.Errorf("find project %q among the %d of this machine account: %w", v.project, len(projects), bitwarden.ErrNotFound)
	case 1:
		v.projectID = ids[0]
		return client, nil
	}
	slices.Sort(ids)
	return nil, &bitwarden.AmbiguousError{What: fmt.Sprintf("project %q", v.project), IDs: ids}
}

// Put implements Place. An update makes the server keep the former value as a version too, and leaves the secret's note alone.
func (v *vault) Put(ctx context.Context, slot string, token Token, over Kept) error {
	client, err := v.client(ctx)
	if err != nil {
		return fmt.Errorf("write %s: %w", v.Target(slot), err)
	}
	if was, ok := over.held.(bitwarden.Secret); ok {
		was.Value = token.raw
		_, err = client.Update(ctx, was)
	} else {
		_, err = client.Create(ctx, bitwarden.Secret{Key: slotName(v.key, slot), Value: token.raw, ProjectID: v.projectID,
			Note: "k3s server token, hash " + token.Hash() + ", kept by plan: a restore of etcd needs it."})
	}
	switch {
	case errors.Is(err, bitwarden.ErrUnanswered):
		return fmt.Errorf("write %s: %w: %w", v.Target(slot), errUnanswered, err)
	case errors.Is(err, bitwarden.ErrNotFound):
		return fmt.Errorf("write %s: the machine account needs the right to write in this project: %w", v.Target(slot), err)
	}
	return err
}

// Late implements Place: keys are not unique, so a create that arrives late would be a second one.
func (v *vault) Late(over Kept) bool { return over.held == nil }
