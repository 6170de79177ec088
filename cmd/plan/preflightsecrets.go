package main

import (
	"context"
	"slices"
	"strings"

	"plan/internal/secrets"
)

const checkSecret = "secret"

// secretChecks reads each value from outside that a run would read, and tells which could be. The values stay with the resolver, for the stores
// and sources that take them.
func (p *preflight) secretChecks(ctx context.Context) []check {
	problems := secrets.Problems(p.resolver.ReadLoadTime())
	why := p.unread(problems)
	var readable []secrets.Source
	for _, w := range p.resolver.Wanted() {
		if why[w.Source] == "" {
			readable = append(readable, w.Source)
		}
	}
	var err error
	if len(readable) > 0 {
		clients := secrets.Clients{Namespace: p.namespace()}
		if p.kube != nil {
			clients.Kubernetes = p.kube
		}
		err = bounded(ctx, secretsTimeout+p.resolver.ExecTimeout(), func(ctx context.Context) error { return p.resolver.ReadAll(ctx, clients, readable) })
	}
	later := secrets.Problems(err)
	checks := p.tellSecrets(append(problems, later...), why)
	if err != nil && len(later) == 0 { // not of one of them
		checks = append(checks, check{Check: checkSecret, What: "all"}.failed(err))
	}
	return checks
}

// unread says which sources are not read at all, and why.
func (p *preflight) unread(problems []*secrets.Error) map[secrets.Source]string {
	why := map[secrets.Source]string{}
	for _, w := range p.resolver.Wanted() {
		switch {
		case w.Exec != secrets.Exec{} && !p.allowExec:
			why[w.Source] = "its command was not run: --allow-exec runs it"
		case w.Kubernetes != secrets.Kubernetes{} && p.kube == nil:
			why[w.Source] = "the cluster cannot be asked"
		}
	}
	token := p.resolver.Token()
	lost := why[token] != "" || slices.ContainsFunc(problems, func(e *secrets.Error) bool { return e.Field == secrets.TokenField })
	for _, w := range p.resolver.Wanted() {
		if (w.Bitwarden != secrets.Bitwarden{}) && (lost || token == secrets.Source{}) {
			why[w.Source] = "the access token was not read"
		}
	}
	return why
}

// tellSecrets makes a line of each source, and of each problem that is of none alone.
func (p *preflight) tellSecrets(problems []*secrets.Error, why map[secrets.Source]string) (checks []check) {
	told := map[string]bool{}
	for _, w := range p.resolver.Wanted() {
		c := check{Check: checkSecret, What: w.Who()}
		i := slices.IndexFunc(problems, func(e *secrets.Error) bool { return e.Field == c.What && !told[c.What] })
		_, err := p.resolver.Value(secrets.Value{From: &w.Source})
		switch {
		case why[w.Source] != "" && (i < 0 || w.Bitwarden == secrets.Bitwarden{}):
			c = c.skipped("%s: %s", w.Source, why[w.Source])
		case i >= 0:
			c = c.failed(problems[i])
			c.Detail = strings.TrimPrefix(c.Detail, c.What+": ") // it stands beside it
		case err != nil:
			c = c.skipped("%s: it was not read, since something failed before", w.Source)
		default:
			c = c.ok("%s", w.Source)
		}
		told[c.What] = true
		checks = append(checks, c)
	}
	for _, e := range problems {
		if !told[e.Field] {
			told[e.Field] = true
			checks = append(checks, check{Check: checkSecret, What: e.Field}.failed(e))
		}
	}
	return checks
}
