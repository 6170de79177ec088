package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"plan/internal/kube"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/internal/workload"
)

// SecretCmd manages Secrets for jobs.
type SecretCmd struct {
	Set SecretSetCmd `cmd:"" help:"Make a Secret for jobs, or replace one that plan has made."`
	Ls  SecretLsCmd  `cmd:"" help:"List them: names and keys, never values."`
	Rm  SecretRmCmd  `cmd:"" help:"Remove some."`
}

// annotationSet is on the Secrets of `plan secret set`, which tells them from those that are made for a Job, and from anybody else's.
const annotationSet = "plan/set-by"

// secretStore are the Secrets of a namespace.
type secretStore struct {
	client    *kube.Client
	namespace string
}

func (s secretStore) resource() kube.Resource {
	return kube.Resource{Version: "v1", Resource: "secrets", Namespace: s.namespace}
}

// storedSecret is one that is there.
type storedSecret struct{ corev1.Secret }

// ours tells whether `plan secret set` has made it.
func (s *storedSecret) ours() bool {
	return s.Labels[workload.ManagedBy] == workload.Manager && s.Labels[workload.LabelSecret] == s.Name && s.Annotations[annotationSet] != "" && s.Labels[workload.LabelRun] == ""
}

// get reads one; nil if there is none.
func (s secretStore) get(ctx context.Context, name string) (*storedSecret, error) {
	data, err := s.client.Get(ctx, s.resource(), name)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found := &storedSecret{}
	if err := json.Unmarshal(data, &found.Secret); err != nil {
		return nil, fmt.Errorf("read secret %s/%s: the answer is not one", s.namespace, name)
	}
	return found, nil
}

// remove removes the very one.
func (s secretStore) remove(ctx context.Context, secret *storedSecret) error {
	err := s.client.Delete(ctx, s.resource(), secret.Name, string(secret.UID), "")
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// newSecret is the object of a Secret for jobs.
func newSecret(namespace, name string, data map[string][]byte) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: namespace,
			Labels:      map[string]string{workload.ManagedBy: workload.Manager, workload.LabelSecret: name},
			Annotations: map[string]string{annotationSet: "plan secret set"},
		},
		Type: corev1.SecretTypeOpaque, Data: data,
	}
}

// checkSecretName wants the name as the cluster will have it: a job finds the Secret under the name that it was given, and under no other.
func checkSecretName(name string) error {
	bad := validation.IsDNS1123Subdomain(name)
	if len(bad) == 0 && len(name) > validation.LabelValueMaxLength {
		bad = []string{fmt.Sprintf("it has %d characters, and may have %d", len(name), validation.LabelValueMaxLength)}
	}
	if len(bad) == 0 {
		return nil
	}
	why, _, _ := strings.Cut(bad[0], " (e.g.")
	if other := dnsName(name); other != "" {
		return fmt.Errorf("%q cannot be the name of a Secret, and is not changed into one that can, such as %s: %s", name, other, why)
	}
	return fmt.Errorf("%q cannot be the name of a Secret: %s", name, why)
}

// SecretLsCmd lists Secrets.
type SecretLsCmd struct {
	ClusterFlags
	OutputFlag
}

type secretLine struct {
	Name    string    `json:"name"`
	Keys    []string  `json:"keys"`
	Created time.Time `json:"created"`
}

// Run is `plan secret ls`.
func (c *SecretLsCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	client, err := c.client(a)
	if err != nil {
		return err
	}
	lines, err := secretStore{client, client.Namespace()}.list(signals.ctx)
	if err != nil {
		return signals.instead(err)
	}
	if c.Output != "text" {
		return report.WriteJSON(a.out, struct {
			SchemaVersion int          `json:"schemaVersion"`
			Kind          string       `json:"kind"`
			Secrets       []secretLine `json:"secrets"`
		}{report.SchemaVersion, "Secrets", lines})
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKEYS\tAGE")
	for _, l := range lines {
		age := strings.TrimSpace(humanize.RelTime(l.Created, time.Now(), "", ""))
		fmt.Fprintf(w, "%s\t%s\t%s\n", printable.String(l.Name), printable.String(strings.Join(l.Keys, ", ")), age)
	}
	return w.Flush()
}

func (s secretStore) list(ctx context.Context) ([]secretLine, error) {
	lines := []secretLine{}
	r := s.resource()
	r.Selector = workload.ManagedBy + "=" + workload.Manager + "," + workload.LabelSecret + ",!" + workload.LabelRun
	for page, err := range s.client.List(ctx, r, 0) {
		if err != nil {
			return nil, err
		}
		for _, item := range page.Items {
			found := &storedSecret{}
			if err := json.Unmarshal(item, &found.Secret); err != nil {
				return nil, errors.New("read a secret: the answer is not one")
			}
			if found.ours() {
				lines = append(lines, secretLine{found.Name, slices.Sorted(maps.Keys(found.Data)), found.CreationTimestamp.Time})
			}
		}
	}
	slices.SortFunc(lines, func(a, b secretLine) int { return strings.Compare(a.Name, b.Name) })
	return lines, nil
}

// SecretRmCmd removes Secrets.
type SecretRmCmd struct {
	Names []string `arg:"" name:"name" help:"Secrets that plan secret set has made." placeholder:"NAME"`
	ClusterFlags
}

// Run is `plan secret rm`.
func (c *SecretRmCmd) Run(a *app) error {
	signals := watchSignals()
	defer signals.stop()
	client, err := c.client(a)
	if err != nil {
		return err
	}
	store := secretStore{client, client.Namespace()}
	var list []*storedSecret
	for _, name := range c.Names { // all are found before any is removed
		s, err := store.get(signals.ctx, name)
		switch {
		case err != nil:
			return signals.instead(err)
		case s == nil:
			return usage(fmt.Errorf("there is no secret %s/%s; nothing was removed; `plan secret ls` lists them", store.namespace, name))
		case !s.ours():
			return usage(fmt.Errorf("secret %s/%s was not made by `plan secret set`; nothing was removed", store.namespace, name))
		}
		list = append(list, s)
	}
	for _, s := range list {
		if err := store.remove(signals.ctx, s); err != nil {
			return signals.during(err)
		}
		fmt.Fprintf(a.out, "secret %s/%s is removed\n", store.namespace, printable.String(s.Name))
	}
	return nil
}
