package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"plan/engine"
	"plan/internal/kube"
	"plan/internal/objectstore"
	"plan/internal/report"
	"plan/internal/runstore"
	"plan/internal/secrets"
	"plan/internal/stores"
	"plan/steps"
)

// session is everything a run needs, made before its first step: the cluster it may touch, the values from outside, the stores.
type session struct {
	*loaded
	app      *app
	resolver *secrets.Resolver
	kube     *kube.Client // nil when nothing needs a cluster
	cluster  clusterSpec
	uid      string
	specs    map[string]stores.Spec // of the stores in use
	stores   map[string]objectstore.Store

	// only narrows the steps that may run; nil is all of them. With storesOnly even those do not run: what is wanted is their stores.
	only       func(*engine.Step) bool
	storesOnly bool

	recordsInCluster bool // the run is recorded there

	run     string    // the run's id
	started time.Time // its start, whole seconds

	logs runstore.LogKeeper // of the run's pods

	// omit, if not nil, tells which values of steps are not read.
	omit func(secrets.Source) bool

	// connected, if not nil, is called once the cluster is known and before any secret is read.
	connected func(context.Context) error
}

// clusterSpec is spec.cluster.
type clusterSpec struct {
	Name       string `yaml:"name"`
	ExpectUID  string `yaml:"expectUID"`
	Context    string `yaml:"context"`
	Kubeconfig string `yaml:"kubeconfig"`
	Namespace  string `yaml:"namespace"`
}

// defaultCluster is the name in backup keys where the plan gives the cluster none.
const defaultCluster = "default"

// What is asked before the first step is bounded: a question to the cluster or a store by openTimeout, all secrets by secretsTimeout, since
// Bitwarden may ask to come again in a minute.
const (
	openTimeout    = 30 * time.Second
	secretsTimeout = 2 * time.Minute // and what commands are given
)

// prepare decodes what the plan says of cluster, secrets and stores, and reads what is on this machine. It opens no connection.
func (s *session) prepare() error {
	if err := s.readSpecs(); err != nil {
		return err
	}
	return s.resolver.ReadLoadTime()
}

// readSpecs is prepare without reading any value.
func (s *session) readSpecs() error {
	l, a := s.loaded, s.app
	s.specs, s.stores = map[string]stores.Spec{}, map[string]objectstore.Store{}
	if err := steps.Decode(l.Cluster, &s.cluster); err != nil {
		return usage(fmt.Errorf("read spec.cluster: %w", err))
	}
	s.cluster.Name = cmp.Or(s.cluster.Name, defaultCluster)
	var bitwarden secrets.BitwardenSpec
	if section, ok := l.Secrets["bitwarden"].(map[string]any); ok {
		if err := steps.Decode(section, &bitwarden); err != nil {
			return usage(fmt.Errorf("read spec.secrets.bitwarden: %w", err))
		}
	}
	s.resolver = secrets.NewResolver(secrets.Options{BaseDir: l.baseDir, LookupEnv: os.LookupEnv, Bitwarden: bitwarden, AllowExec: l.allowExec, Masker: a.masker})
	if err := s.decodeStores(); err != nil {
		return err
	}
	s.addSources()
	return nil
}

// decodeStores reads the stores in use. A plan that names none has ./backups, but no run in a pod has, where it would be gone with the pod.
func (s *session) decodeStores() error {
	for _, p := range s.places() {
		section, ok := s.Stores[p.Store].(map[string]any)
		if !ok {
			if !s.offline && os.Getenv("KUBERNETES_SERVICE_HOST") != "" {
				return usage(fmt.Errorf("step %s needs a store, and the plan has none: add spec.stores with a bucket, its endpoint and its credentials. In a pod there is no default", p.step.ID))
			}
			section = map[string]any{"dir": map[string]any{"path": "./backups"}}
		}
		var spec stores.Spec
		if err := steps.Decode(section, &spec); err != nil {
			return usage(fmt.Errorf("read spec.stores.%s: %w", p.Store, err))
		}
		if err := spec.Validate(); err != nil {
			return usage(fmt.Errorf("spec.stores.%s: %w", p.Store, err))
		}
		s.specs[p.Store] = spec
	}
	return nil
}

func (s *session) addSources() {
	for _, step := range s.mayRun() {
		all := s.actions[step.ID]
		if len(all) == 0 || s.storesOnly {
			continue
		}
		for _, field := range steps.Sources(all[0]) { // a source reads no matrix, so all instances have the same
			if s.omit == nil || !s.omit(field.Source) {
				s.resolver.Add(step.ID+"."+field.Path, field.Source)
			}
		}
		if s.needs(step).Bitwarden {
			s.resolver.NeedBitwarden("step " + step.ID)
		}
	}
	for name, spec := range s.specs {
		for _, field := range spec.Fields() {
			if field.Value.From != nil {
				s.resolver.Add("spec.stores."+name+"."+field.Path, *field.Value.From)
			}
		}
	}
}

// open connects: the cluster first, then the sources of secrets, then each store.
func (s *session) open(ctx context.Context) error {
	trustFallbackRoots()
	if s.needsCluster() {
		if err := s.connect(ctx); err != nil {
			return err
		}
	}
	if s.connected != nil {
		if err := s.connected(ctx); err != nil {
			return err
		}
	}
	clients := secrets.Clients{Namespace: s.namespace()}
	if s.kube != nil {
		clients.Kubernetes = s.kube
	}
	err := bounded(ctx, secretsTimeout+s.resolver.ExecTimeout(), func(ctx context.Context) error { return s.resolver.ReadAll(ctx, clients, s.resolver.Sources()) })
	if err != nil {
		return err
	}
	for name := range s.specs {
		if err := s.openStore(ctx, name); err != nil {
			return err
		}
	}
	return s.listStores(ctx)
}

// bounded runs one question. An answer that does not come in time is an unreachable server.
func bounded(ctx context.Context, limit time.Duration, ask func(context.Context) error) error {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := ask(inner)
	if err != nil && inner.Err() != nil && ctx.Err() == nil {
		return exit{code: engine.ExitUnreachable, err: fmt.Errorf("no answer within %s: %w", limit, err)}
	}
	return err
}

// needsCluster tells whether anything will ask the API server: a step, a secret, or the check of the UID.
func (s *session) needsCluster() bool {
	if s.recordsInCluster || s.cluster.ExpectUID != "" && !s.storesOnly {
		return true
	}
	for _, step := range s.mayRun() {
		if s.storesOnly {
			break
		}
		if slices.ContainsFunc(s.actions[step.ID], func(a steps.Action) bool { return len(a.Permissions(s.scope())) > 0 }) {
			return true
		}
	}
	return slices.ContainsFunc(s.resolver.Wanted(), func(w secrets.Wanted) bool { return w.Kubernetes != secrets.Kubernetes{} })
}

func (s *session) connect(ctx context.Context) error {
	client, err := kube.Load(s.kubeConfig())
	if err != nil {
		return usage(err)
	}
	s.kube = client
	err = bounded(ctx, openTimeout, func(ctx context.Context) error {
		s.uid, err = client.UID(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("identify the cluster at %s: %w", client.Host(), err)
	}
	if want := s.cluster.ExpectUID; want != "" && want != s.uid {
		return usage(fmt.Errorf("this is another cluster: spec.cluster.expectUID is %s, and the cluster at %s (context %q) has %s; nothing was done", want, client.Host(), client.Context(), s.uid))
	}
	return nil
}

func (s *session) namespace() string {
	if s.kube == nil {
		return s.cluster.Namespace
	}
	return s.kube.Namespace()
}

// scope is what all scopes of the run have in common.
func (s *session) scope() steps.Scope {
	return steps.Scope{Plan: s.Name, Cluster: s.cluster.Name, Namespace: s.namespace(), Dir: s.baseDir}
}

// header is what the run works with, for the first lines of its output.
func (s *session) header(run, journal string) report.Header {
	h := report.Header{Plan: s.Name, File: s.File, Run: run, Journal: journal, Overrides: s.Overrides}
	if s.kube != nil {
		h.Cluster = &report.Cluster{Name: s.cluster.Name, UID: s.uid, Context: s.kube.Context(), Server: s.kube.Host()}
	}
	for name, spec := range s.specs {
		h.Stores = append(h.Stores, report.Store{Name: s.storeName(name), Location: stores.Describe(spec, absolute(s.baseDir))})
	}
	slices.SortFunc(h.Stores, func(a, b report.Store) int { return strings.Compare(a.Name, b.Name) })
	return h
}
