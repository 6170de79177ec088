package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"plan/internal/errclass"
	"plan/internal/printable"
)

// Clients are what the sources outside this machine are read with.
type Clients struct {
	Kubernetes KubernetesReader // nil when the run has no cluster
	Namespace  string           // of Kubernetes sources that name none
}

// A source that does not answer is asked three times, a second or two apart: a broken connection need not end a night's run.
const (
	tries      = 3
	firstPause = time.Second
	longest    = 30 * time.Second // of what a server may ask to wait
)

// ReadAll reads those of sources that were not read yet: Secrets in parallel, then commands one after the other, then all ids of
// Bitwarden with one login and one request. Call it once per run, before the first step, with the sources of the steps that may run.
// The error joins one *Error per source, or one for all where the cause is common, such as a refused login. When ctx ends the
// error is its cause instead.
func (r *Resolver) ReadAll(ctx context.Context, c Clients, sources []Source) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for try := 1; ; try++ {
		problems := r.readOnce(ctx, c, sources)
		if ctx.Err() != nil {
			return fmt.Errorf("read secrets: %w", context.Cause(ctx))
		}
		if len(problems) == 0 {
			return nil
		}
		pause, again := pauseAfter(problems, try)
		if !again {
			return join(problems)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// pauseAfter says whether all problems may pass by themselves, and how long to wait for that.
func pauseAfter(problems []*Error, try int) (time.Duration, bool) {
	pause := firstPause << (try - 1)
	for _, p := range problems {
		f := errclass.Classify(p.Err)
		if f.Class != errclass.Transient {
			return 0, false
		}
		pause = max(pause, min(f.RetryAfter, longest))
	}
	return pause, try < tries
}

func (r *Resolver) readOnce(ctx context.Context, c Clients, sources []Source) []*Error {
	wanted := r.unread(sources)
	ids := slices.DeleteFunc(slices.Clone(wanted), func(s Source) bool { return !inBitwarden(s) })
	var problems []*Error
	login := len(ids) > 0 || len(r.users) > 0
	if login && r.client == nil {
		if problem := r.addToken(); problem != nil {
			problems, login = append(problems, problem), false
		} else {
			wanted = r.unread(append(wanted, *r.o.Bitwarden.AccessToken.From))
		}
	}
	for _, s := range wanted {
		if s.LoadTime() {
			problems = appendProblem(problems, r.readLoadTime(s))
		}
	}
	problems = append(problems, r.readKubernetes(ctx, c, wanted)...)
	problems = append(problems, r.readCommands(ctx, wanted)...)
	if login && r.tokenIsRead() {
		problems = append(problems, r.readBitwarden(ctx, ids)...)
	}
	return problems
}

// unread are the sources that have no value yet, each once, in order.
func (r *Resolver) unread(sources []Source) []Source {
	var out []Source
	for _, s := range sources {
		if _, done := r.values[s]; !done && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// readKubernetes reads the Kubernetes sources among wanted. Two that differ only in that one spells out the default namespace are
// read once.
func (r *Resolver) readKubernetes(ctx context.Context, c Clients, wanted []Source) []*Error {
	var keys []Kubernetes
	as := make(map[Kubernetes][]Source)
	for _, s := range wanted {
		if !inKubernetes(s) {
			continue
		}
		k := s.Kubernetes
		if k.Namespace == "" {
			k.Namespace = c.Namespace
		}
		if as[k] == nil {
			keys = append(keys, k)
		}
		as[k] = append(as[k], s)
	}
	values, errs := readKeys(ctx, c.Kubernetes, keys)
	var problems []*Error
	for i, k := range keys {
		if errs[i] != nil {
			problems = append(problems, kubernetesError(r.fieldsOf(as[k]), k, errs[i]))
			continue
		}
		for _, s := range as[k] {
			r.keep(s, values[i])
		}
	}
	return problems
}

func readKeys(ctx context.Context, client KubernetesReader, keys []Kubernetes) ([]string, []error) {
	const parallel = 8
	values, errs := make([]string, len(keys)), make([]error, len(keys))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, k := range keys {
		group.Go(func() error {
			if client == nil {
				errs[i] = errNoCluster
				return nil
			}
			data, err := client.SecretKey(ctx, k.Namespace, k.Name, k.Key)
			if err == nil {
				values[i], err = clean(string(data))
			}
			errs[i] = err
			return nil
		})
	}
	_ = group.Wait() // the errors are in errs
	return values, errs
}

var errNoCluster = errors.New("this run has no cluster")

func kubernetesError(fields []string, k Kubernetes, err error) *Error {
	e := &Error{Field: joinFields(fields), Source: Source{Kubernetes: k}.String(), Kind: kindFrom(err), Err: err}
	switch e.Kind {
	case Denied:
		e.Next = fmt.Sprintf("allow get on secret %s in namespace %s", printable.String(k.Name), printable.String(k.Namespace))
	case Missing:
		e.Next = "create it, or correct namespace, name and key"
	case Unreachable:
		e.Next = "run again when the cluster answers"
	}
	return e
}

// kindFrom is the kind of an error of a server.
func kindFrom(err error) Kind {
	switch f := errclass.Classify(err); {
	case f.Kind == errclass.Denied:
		return Denied
	case f.Kind == errclass.NotFound:
		return Missing
	case f.Kind == errclass.Unreachable, f.Class == errclass.Transient:
		return Unreachable
	}
	return Invalid
}

func (r *Resolver) fieldsOf(sources []Source) []string {
	var out []string
	for _, s := range sources {
		out = append(out, r.fields[s]...)
	}
	return slices.Compact(out)
}

func join(problems []*Error) error {
	errs := make([]error, len(problems))
	for i, p := range problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

func appendProblem(problems []*Error, p *Error) []*Error {
	if p == nil {
		return problems
	}
	return append(problems, p)
}
