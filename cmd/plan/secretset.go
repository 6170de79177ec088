package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/printable"
	"plan/internal/report"
	"plan/internal/workload"
)

// SecretSetCmd makes or replaces a Secret.
type SecretSetCmd struct {
	Name      string   `arg:"" help:"The Secret's name, as jobs call it." placeholder:"NAME"`
	FromFile  []string `help:"A key with what is in a file, byte by byte; without KEY= it is called as the file is. May be given again." sep:"none" placeholder:"[KEY=]PATH"`
	FromDir   string   `help:"A key for each file of a folder." placeholder:"DIR"`
	FromStdin string   `help:"A key with what comes on standard input, less one newline at its end." placeholder:"KEY"`
	Prompt    []string `help:"A key whose value is typed, unseen. May be given again." sep:"none" placeholder:"KEY"`
	DryRunFlag
	Output string `short:"o" help:"text or json; of --dry-run=client also yaml." enum:"text,json,ndjson,yaml" default:"text" env:"PLAN_OUTPUT" placeholder:"FORMAT"`
	ClusterFlags
}

// Run is `plan secret set`.
func (c *SecretSetCmd) Run(a *app) error {
	if err := c.fits(strings.Replace(c.Output, "ndjson", "json", 1)); err != nil {
		return err
	}
	if err := checkSecretName(c.Name); err != nil {
		return usage(err)
	}
	given, err := c.given()
	if err != nil {
		return usage(err)
	}
	if c.DryRun == "client" {
		return c.preview(a, given)
	}
	if c.Output == "yaml" {
		return usage(errors.New("-o yaml is for manifests: it goes with --dry-run=client"))
	}
	signals := watchSignals()
	defer signals.stop()
	client, err := c.client(a)
	if err != nil {
		return err
	}
	data, err := a.read(signals.ctx, given)
	if err != nil {
		return signals.instead(err)
	}
	done, err := secretStore{client, client.Namespace()}.set(signals.ctx, c.Name, data)
	if err != nil {
		return signals.during(err)
	}
	return done.print(a, c.Output)
}

// preview prints the manifest without values. The files are looked at all the same: a mistyped path is an error.
func (c *SecretSetCmd) preview(a *app, given []secretValue) error {
	namespace := c.Namespace
	if client, err := kube.Load(kube.Config{Kubeconfig: c.Kubeconfig, Context: c.Context, Namespace: c.Namespace}); err == nil {
		namespace = client.Namespace()
	}
	secret := newSecret(namespace, c.Name, map[string][]byte{})
	for _, v := range given {
		secret.Data[v.key] = nil
	}
	o := workload.Objects{Secrets: []*corev1.Secret{secret}}
	o.Redact()
	text, err := manifest(secret)
	if c.Output == "json" || c.Output == "ndjson" {
		text, err = json.MarshalIndent(secret, "", "  ")
		text = append(text, '\n')
	}
	if err != nil {
		return fmt.Errorf("write the manifest: %w", err)
	}
	_, err = a.out.Write(text)
	return err
}

// secretSet is what setting a Secret has changed, in names of keys.
type secretSet struct {
	SchemaVersion int      `json:"schemaVersion"`
	Kind          string   `json:"kind"`
	Namespace     string   `json:"namespace"`
	Name          string   `json:"name"`
	Created       bool     `json:"created"`
	Added         []string `json:"added"`
	Changed       []string `json:"changed"`
	Removed       []string `json:"removed"`
	Unchanged     []string `json:"unchanged"`
}

// setTries is how often a Secret is read and written again that somebody else has written meanwhile.
const setTries = 5

// set makes the Secret, or gives one that plan has made these keys and no others.
func (s secretStore) set(ctx context.Context, name string, data map[string][]byte) (*secretSet, error) {
	var err error
	for range setTries {
		var there *storedSecret
		if there, err = s.get(ctx, name); err != nil {
			return nil, err
		}
		done := &secretSet{report.SchemaVersion, "SecretSet", s.namespace, name, there == nil, []string{}, []string{}, []string{}, []string{}}
		if there == nil {
			done.Added = slices.Sorted(maps.Keys(data))
			err = s.create(ctx, name, data)
		} else if !there.ours() {
			return nil, usage(fmt.Errorf("secret %s/%s is there already and was not made by `plan secret set`; nothing was done; choose another name", s.namespace, name))
		} else {
			err = s.change(ctx, there, data, done)
		}
		if err == nil {
			return done, nil
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return nil, err
		}
	}
	return nil, err
}

func (s secretStore) create(ctx context.Context, name string, data map[string][]byte) error {
	body, err := json.Marshal(newSecret(s.namespace, name, data))
	if err != nil {
		return fmt.Errorf("encode secret %s/%s: it cannot be encoded", s.namespace, name)
	}
	_, err = s.client.Create(ctx, s.resource(), name, body, kube.WriteOptions{})
	return err
}

// change writes the keys that differ, and takes away those that are not wanted any more.
func (s secretStore) change(ctx context.Context, there *storedSecret, data map[string][]byte, done *secretSet) error {
	patch := map[string]any{}
	for _, key := range slices.Sorted(maps.Keys(data)) {
		old, known := there.Data[key]
		switch {
		case !known:
			done.Added = append(done.Added, key)
		case string(old) != string(data[key]):
			done.Changed = append(done.Changed, key)
		default:
			done.Unchanged = append(done.Unchanged, key)
			continue
		}
		patch[key] = data[key]
	}
	for _, key := range slices.Sorted(maps.Keys(there.Data)) {
		if _, wanted := data[key]; !wanted {
			done.Removed = append(done.Removed, key)
			patch[key] = nil
		}
	}
	if len(patch) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": there.UID, "resourceVersion": there.ResourceVersion}, "data": patch})
	if err != nil {
		return fmt.Errorf("encode secret %s/%s: it cannot be encoded", s.namespace, there.Name)
	}
	_, err = s.client.Patch(ctx, s.resource(), there.Name, body, kube.WriteOptions{})
	return err
}

func (d *secretSet) print(a *app, format string) error {
	if format != "text" {
		return report.WriteJSON(a.out, d)
	}
	var parts []string
	for _, part := range []struct {
		word string
		keys []string
	}{{"added", d.Added}, {"changed", d.Changed}, {"removed", d.Removed}, {"unchanged", d.Unchanged}} {
		if len(part.keys) > 0 {
			parts = append(parts, part.word+" "+strings.Join(part.keys, ", "))
		}
	}
	what := "is set"
	if d.Created {
		what = "is made"
	}
	_, err := fmt.Fprintf(a.out, "secret %s/%s %s: %s\n", d.Namespace, d.Name, what, printable.String(strings.Join(parts, "; ")))
	return err
}
