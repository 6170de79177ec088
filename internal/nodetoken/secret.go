package nodetoken

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
)

// What a Secret made by plan is known by. There is no label of a run: the Secret outlives it.
const (
	managedBy = "app.kubernetes.io/managed-by"
	madeBy    = "plan/created-by"
	maker     = "backup-node-token"
)

// secretKey keeps tokens as keys of one Secret.
type secretKey struct {
	client    *kube.Client
	resource  kube.Resource
	name, key string
	hide      func(string)
}

func openSecret(k Kubernetes, o Options) (Place, error) {
	s := &secretKey{client: o.Kube, name: k.Name, key: cmp.Or(k.Key, DefaultKey), hide: o.Hide}
	s.resource = kube.Resource{Version: "v1", Resource: "secrets", Namespace: k.In(o.Namespace)}
	switch {
	case s.name == "":
		return nil, errors.New("kubernetes.name is empty")
	case s.resource.Namespace == "":
		return nil, errors.New("kubernetes.namespace is empty, and the plan has none")
	case o.Kube == nil:
		return nil, errors.New("kubernetes: there is no connection to a cluster")
	}
	return s, nil
}

// Target implements Place.
func (s *secretKey) Target(slot string) string {
	return fmt.Sprintf("secret %s/%s key %s", s.resource.Namespace, s.name, slotName(s.key, slot))
}

// Look implements Place. A key without a value counts as none.
func (s *secretKey) Look(ctx context.Context, slot string) (Kept, error) {
	raw, err := s.client.Get(ctx, s.resource, s.name)
	if apierrors.IsNotFound(err) && !apierrors.IsUnexpectedServerError(err) { // a proxy's 404 says nothing of the Secret
		return Kept{}, fmt.Errorf("read %s: %w: there is no such Secret", s.Target(slot), ErrNone)
	}
	if err != nil {
		return Kept{}, err
	}
	kept := Kept{held: raw, into: true}
	var object struct {
		Metadata struct{ ManagedFields []managed }
		Data     map[string]string
	}
	if json.Unmarshal(raw, &object) != nil {
		return Kept{}, fmt.Errorf("read %s: the answer is no Secret", s.Target(slot))
	}
	text, err := base64.StdEncoding.DecodeString(object.Data[slotName(s.key, slot)])
	switch {
	case err != nil:
		return kept, fmt.Errorf("read %s: the value is not base64", s.Target(slot))
	case len(bytes.TrimSpace(text)) == 0:
		return kept, fmt.Errorf("read %s: %w: the Secret has no such key", s.Target(slot), ErrNone)
	}
	if kept.Token, err = parseHidden(string(text), s.hide); err != nil {
		return kept, fmt.Errorf("read %s: %w", s.Target(slot), err)
	}
	kept.Updated = lastChange(object.Metadata.ManagedFields, slotName(s.key, slot))
	return kept, nil
}

// managed is an entry of metadata.managedFields: who wrote which fields, and when they last changed.
type managed struct {
	Time   string
	Fields struct {
		Data map[string]any `json:"f:data"`
	} `json:"fieldsV1"`
}

// lastChange is the newest time at which somebody who owns a key changed what they own; zero when nobody says.
func lastChange(entries []managed, key string) (last time.Time) {
	for _, e := range entries {
		if _, owns := e.Fields.Data["f:"+key]; !owns {
			continue
		}
		if at, err := time.Parse(time.RFC3339, e.Time); err == nil && at.After(last) {
			last = at
		}
	}
	return last
}

// Put implements Place. An existing Secret is sent back as it was but for the one key, and only if nobody has changed it since.
func (s *secretKey) Put(ctx context.Context, slot string, token Token, over Kept) error {
	value := base64.StdEncoding.EncodeToString([]byte(token.raw))
	var err error
	if was, ok := over.held.(json.RawMessage); ok {
		var body []byte
		if body, err = withKey(was, slotName(s.key, slot), value); err == nil {
			_, err = s.client.Update(ctx, s.resource, s.name, body, kube.WriteOptions{})
		}
	} else {
		var body []byte
		body, err = json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
			"metadata": map[string]any{"name": s.name, "namespace": s.resource.Namespace,
				"labels": map[string]string{managedBy: "plan"}, "annotations": map[string]string{madeBy: maker}},
			"data": map[string]string{slotName(s.key, slot): value},
		})
		if err == nil {
			_, err = s.client.Create(ctx, s.resource, s.name, body, kube.WriteOptions{})
		}
	}
	switch {
	case errors.Is(err, kube.ErrUnanswered):
		return fmt.Errorf("write %s: %w: %w", s.Target(slot), errUnanswered, err)
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err):
		return fmt.Errorf("write %s: %w: %w", s.Target(slot), errChanged, err)
	case err != nil:
		return fmt.Errorf("write %s: %w", s.Target(slot), err)
	}
	return nil
}

// withKey is a Secret with one more key, or another value of it. Numbers stay as they are written.
func withKey(secret json.RawMessage, key, value string) ([]byte, error) {
	d := json.NewDecoder(strings.NewReader(string(secret)))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, errors.New("the stored object is no Secret")
	}
	if fixed, _ := object["immutable"].(bool); fixed {
		return nil, errors.New("it is immutable: name another Secret, or delete it once its token is somewhere else")
	}
	data, _ := object["data"].(map[string]any)
	if data == nil {
		data = map[string]any{}
	}
	data[key] = value
	object["data"], object["apiVersion"], object["kind"] = data, "v1", "Secret"
	return json.Marshal(object)
}

// Late implements Place: names are unique, and an update says what it replaces.
func (s *secretKey) Late(Kept) bool { return false }
