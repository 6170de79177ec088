package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"plan/engine"
	"plan/internal/secrets"
	"plan/internal/stores"
)

// olderIDs begin the names of the older tool's variables that name secrets of Bitwarden by their ids.
const olderIDs = "BWS_SECRET_ID_"

// overrides lists what the older tool's variables replace in a plan, but for what flags replace anyway.
func (r *request) overrides(file map[string]any, getenv func(string) string) ([]engine.Override, error) {
	older, err := (&olderTool{file: file, flags: r.single, getenv: getenv}).overrides()
	if err != nil {
		return nil, usage(err)
	}
	return slices.DeleteFunc(older, func(o engine.Override) bool {
		return slices.ContainsFunc(r.flags, func(f engine.Override) bool { return slices.Equal(f.Path, o.Path) })
	}), nil
}

// olderTool translates the environment variables of the metadata backup tool that plan replaces, so that its ConfigMaps can be mounted
// unchanged. Those that choose a target fill only what the file leaves open. What a command does not need is not looked at.
type olderTool struct {
	file   map[string]any
	flags  bool // the file was made of flags, which win over variables
	getenv func(string) string
	list   []engine.Override
}

func (t *olderTool) overrides() ([]engine.Override, error) {
	target := func(variable, field, value string) {
		if value != "" {
			t.add(engine.Override{Path: []string{"spec", "cluster", field}, Value: value, Origin: variable, Shown: value, FillOnly: true})
		}
	}
	target("CLUSTER_NAME", "name", t.getenv("CLUSTER_NAME"))
	target("K8S_CONTEXT", "context", t.getenv("K8S_CONTEXT"))
	target("KUBECONFIG_PATH", "kubeconfig", absolute(t.getenv("KUBECONFIG_PATH")))
	if err := t.store(); err != nil {
		return nil, err
	}
	if err := t.steps(); err != nil {
		return nil, err
	}
	t.bitwarden()
	return t.list, nil
}

func (t *olderTool) add(o engine.Override) {
	if t.flags {
		o.FillOnly, o.Default = false, true
	}
	t.list = append(t.list, o)
}

// at gives a mapping of the file, or nil.
func (t *olderTool) at(path ...string) map[string]any {
	m := t.file
	for _, key := range path {
		m, _ = m[key].(map[string]any)
	}
	return m
}

// store fills the default store, the only one, or a new one called main from the BWS_SECRET_ID_ variables.
func (t *olderTool) store() error {
	spec, found, err := stores.Legacy(t.getenv)
	if err == nil && !found {
		return nil // without a look at every step
	}
	if !t.needsStore() || t.flags && t.at("spec", "stores") != nil {
		return nil
	}
	if err != nil {
		return err
	}
	name := "main"
	known := t.at("spec", "stores")
	if chosen, _ := t.at("spec", "defaults")["store"].(string); chosen != "" {
		name = chosen
	} else if len(known) == 1 {
		for only := range known {
			name = only
		}
	}
	if chosen, ok := known[name].(map[string]any); ok && chosen["dir"] != nil {
		return fmt.Errorf("the file says that store %s is a directory (spec.stores.%s.dir), and the variables BWS_SECRET_ID_… say that it is an S3 bucket: remove one", name, name)
	}
	base := []string{"spec", "stores", name, "s3"}
	fill := func(variable string, from *secrets.Source, path ...string) {
		t.add(engine.Override{Path: slices.Concat(base, path), Value: sourceValue(from), Origin: variable, Shown: "(set)", FillOnly: true})
	}
	fill("BWS_SECRET_ID_BUCKET", spec.S3.Bucket.From, "bucket")
	fill("BWS_SECRET_ID_ENDPOINT", spec.S3.Endpoint.From, "endpoint")
	fill("BWS_SECRET_ID_REGION", spec.S3.Region.From, "region")
	fill("BWS_SECRET_ID_ACCESS_KEY", spec.S3.Credentials.AccessKey.From, "credentials", "accessKey")
	fill("BWS_SECRET_ID_SECRET_KEY", spec.S3.Credentials.SecretKey.From, "credentials", "secretKey")
	t.add(engine.Override{Path: slices.Concat(base, []string{"pathStyle"}), Value: spec.S3.PathStyle, Origin: "BWS_SECRET_ID_BUCKET", Shown: strconv.FormatBool(spec.S3.PathStyle), Default: true})
	t.add(engine.Override{Path: []string{"spec", "cluster", "name"}, Value: "k3s", Origin: "CLUSTER_NAME", Shown: "k3s (its default)", Default: true})
	return nil
}

// needsStore tells whether a step of the file works on a store.
func (t *olderTool) needsStore() bool {
	needed := false
	_ = t.eachStep(func(_ []string, step map[string]any) error {
		kind, ok := kindNamed(step["uses"])
		needed = needed || ok && usesStore(kind)
		return nil
	})
	return needed
}

// sourceValue is a source as it stands in a plan.
func sourceValue(s *secrets.Source) map[string]any {
	return map[string]any{"from": map[string]any{"bitwarden": map[string]any{"id": s.Bitwarden.ID}}}
}

// bitwarden says where the access token is, when the plan asks Bitwarden for anything.
func (t *olderTool) bitwarden() {
	base := []string{"spec", "secrets", "bitwarden"}
	fromStore := slices.ContainsFunc(t.list, func(o engine.Override) bool { return strings.HasPrefix(o.Origin, olderIDs) })
	if t.at(base...) == nil && !fromStore && !t.keepsToken() {
		return
	}
	if url := t.getenv("BWS_SERVER_URL"); url != "" {
		t.add(engine.Override{Path: slices.Concat(base, []string{"serverURL"}), Value: url, Origin: "BWS_SERVER_URL", Shown: url, FillOnly: true})
	}
	t.accessToken(slices.Concat(base, []string{"accessToken"}))
}

// accessToken is in BWS_ACCESS_TOKEN, else where the plan says, else in the older tool's Secret. The variables that name that Secret
// override a plan that reads the token from Kubernetes too.
func (t *olderTool) accessToken(path []string) {
	from := t.at(slices.Concat(path, []string{"from"})...)
	if t.getenv("BWS_ACCESS_TOKEN") != "" {
		if from["env"] != "BWS_ACCESS_TOKEN" {
			t.add(engine.Override{Path: path, Value: map[string]any{"from": map[string]any{"env": "BWS_ACCESS_TOKEN"}}, Origin: "BWS_ACCESS_TOKEN", Shown: "(set)"})
		}
		return
	}
	namespace, name := t.getenv("EXTERNAL_SECRETS_NAMESPACE"), t.getenv("BWS_SECRET_NAME")
	if from != nil {
		if _, ok := from["kubernetes"].(map[string]any); ok {
			for _, v := range []struct{ variable, field, value string }{{"EXTERNAL_SECRETS_NAMESPACE", "namespace", namespace}, {"BWS_SECRET_NAME", "name", name}} {
				if v.value != "" {
					t.add(engine.Override{Path: slices.Concat(path, []string{"from", "kubernetes", v.field}), Value: v.value, Origin: v.variable, Shown: v.value})
				}
			}
		}
		return
	}
	origin := "BWS_SECRET_NAME (its default)"
	switch {
	case name != "":
		origin = "BWS_SECRET_NAME"
	case namespace != "":
		origin = "EXTERNAL_SECRETS_NAMESPACE"
	}
	namespace, name = cmp.Or(namespace, "external-secrets"), cmp.Or(name, "bitwarden-machine-account")
	t.add(engine.Override{Path: path, Origin: origin, Shown: "Secret " + namespace + "/" + name + ", key token", Default: true,
		Value: map[string]any{"from": map[string]any{"kubernetes": map[string]any{"namespace": namespace, "name": name, "key": "token"}}}})
}
