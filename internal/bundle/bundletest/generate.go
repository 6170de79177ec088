// Package bundletest makes plans for bundles, and judges bundles as an API server would.
package bundletest

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Case is a plan with what lies beside it, and the flags of `plan cronjob` beside the file: one that has to be accepted.
type Case struct {
	Plan  []byte
	Files map[string]string // by path relative to the plan
	Flags []string
	Host  bool // the pod reads a folder of its node
}

type fields = map[string]any

// generator makes one Case.
type generator struct {
	*rand.Rand
	Case
	steps []any
}

// Generate makes the same Case for the same numbers.
func Generate(r *rand.Rand) Case {
	g := &generator{Rand: r, Case: Case{Files: map[string]string{}}}
	spec := fields{"stores": fields{"main": fields{"s3": g.bucket()}}}
	for range 1 + g.IntN(6) {
		g.step()
	}
	spec["steps"] = g.steps
	g.around(spec)
	data, err := json.Marshal(fields{"apiVersion": "plan/v1", "kind": "Plan", "metadata": fields{"name": g.label(40)}, "spec": spec})
	if err != nil {
		panic(err) // maps, lists, texts and numbers
	}
	g.Plan = data
	g.flags()
	return g.Case
}

// may is true so many times in a hundred.
func (g *generator) may(percent int) bool { return g.IntN(100) < percent }

func pick[T any](g *generator, from ...T) T { return from[g.IntN(len(from))] }

// label is a DNS-1123 label of up to so many characters, often of all of them.
func (g *generator) label(most int) string {
	n := most
	if g.may(70) {
		n = 1 + g.IntN(most)
	}
	var b strings.Builder
	for i := range n {
		letters := "abcdefghijklmnopqrstuvwxyz"
		if i > 0 && i < n-1 && !strings.HasSuffix(b.String(), "-") {
			letters += "0123456789-"
		}
		b.WriteByte(letters[g.IntN(len(letters))])
	}
	return b.String()
}

// hostile is a text that somebody may take for something else.
func (g *generator) hostile() string {
	parts := []string{"a", "\n", "---\n", "{{ .x }}", "$(HOME)", "$$", "'", `"`, `\`, ": ", "# ", "yes", "0x1f", "\t", " ", "ü", "%", "&x", "*x", "!!str", "|\n  x", "1e3", "~"}
	var b strings.Builder
	for range g.IntN(6) {
		b.WriteString(pick(g, parts...))
	}
	return strings.ReplaceAll(b.String(), "${{", "$(") // it would be an expression of the plan
}

func (g *generator) bucket() fields {
	s3 := fields{"bucket": pick[any](g, "home-backups", fields{"from": fields{"env": "BUCKET"}}), "region": "us-east-1"}
	if g.may(70) {
		s3["endpoint"] = pick(g, "https://s3.example.net", "s3.example.net:9000")
	}
	if g.may(70) {
		source := func(name string) fields {
			return fields{"from": pick(g, fields{"env": name}, fields{"kubernetes": fields{"name": g.label(63), "key": name, "namespace": pick(g, "a", "external-secrets")}})}
		}
		s3["credentials"] = fields{"accessKey": source("S3_ACCESS_KEY"), "secretKey": source("S3_SECRET_KEY")}
	}
	if g.may(20) {
		name := pick(g, "ca.pem", "certs/ca.pem", "../ca.pem", "../../shared/ca.pem")
		s3["caFile"], g.Files[name] = name, "-----BEGIN CERTIFICATE-----\n"
	}
	return s3
}

// around is what stands about the steps.
func (g *generator) around(spec fields) {
	cluster := fields{}
	if g.may(50) {
		cluster["name"] = g.label(40)
	}
	if g.may(30) {
		cluster["namespace"] = g.label(63)
	}
	if g.may(20) {
		cluster["expectUID"] = "5f0c1c9e-3b0a-4b0e-9a53-0d8f6f2d7c11"
	}
	spec["cluster"] = cluster
	if g.may(50) {
		concurrency := fields{"group": g.label(40)}
		if g.may(30) {
			concurrency["namespace"] = g.label(63)
		}
		spec["concurrency"] = concurrency
	}
	if g.may(50) {
		spec["timeout"], spec["finallyTimeout"] = pick(g, "1h", "2d3h", "90s", "1500ms"), pick(g, "1m", "10s")
	}
	if g.may(50) {
		spec["params"] = fields{"keep": fields{"type": "integer", "default": 3}, "where": fields{"type": "string", "env": "WHERE"}}
		spec["env"] = []any{"REGION"}
	}
	if g.may(40) {
		spec["finally"] = []any{fields{"id": "ping", "uses": "notify", "with": fields{"url": fields{"from": fields{"env": "PING_URL"}}, "status": "${{ run.outcome }}"}}}
	}
}

func (g *generator) step() {
	id := fmt.Sprintf("s%d", len(g.steps))
	if g.may(30) {
		id += "-" + g.label(30)
		id = strings.ReplaceAll(id, "--", "-x")
	}
	uses := pick(g, "list-pvs", "backup-pvs", "backup-nodes", "prune", "verify-etcd", "verify-longhorn", "verify-backup", "verify-store", "verify-object", "verify-all",
		"backup-node-token", "run-job", "run-job", "run-job", "run-job")
	step := fields{"id": id, "uses": uses}
	if with := g.with(uses); len(with) > 0 {
		step["with"] = with
	}
	if uses == "run-job" && g.may(30) {
		step["matrix"] = fields{"axis": []any{"a", "b", "c"}}
	}
	if g.may(20) {
		step["needs"] = []any{}
	}
	g.steps = append(g.steps, step)
}

func (g *generator) with(uses string) fields {
	switch uses {
	case "backup-pvs", "backup-nodes":
		return fields{"keep": fields{"last": 1 + g.IntN(30)}}
	case "prune":
		return fields{"artefact": pick(g, "pvs", "nodes"), "keep": fields{"daily": 7}}
	case "verify-backup":
		return fields{"artefact": "pvs"}
	case "verify-store":
		return fields{"prefix": "dumps/", "maxAge": "1d"}
	case "verify-object":
		return fields{"resource": "cnpg.io/v1/backups", "namespace": g.label(63), "condition": "true"}
	case "backup-node-token":
		g.Host = true
		return fields{"to": fields{"kubernetes": fields{"name": g.label(63), "namespace": g.label(20)}}}
	case "run-job":
		return g.job()
	}
	return nil
}

func (g *generator) job() fields {
	with := fields{"command": []any{"sh", "-c", "echo"}, "args": []any{g.hostile(), "${{ run.id }}"}}
	switch g.IntN(4) {
	case 0:
		with["source"] = fields{"image": "registry.example.net/team/app:1"}
	case 1:
		with["source"] = fields{"git": fields{"url": "https://git.example.net/team/tool.git", "ref": "main", "fetch": pick(g, "plan", "pod")}}
	default:
		with["source"] = fields{"directory": g.directory()}
	}
	if g.may(30) {
		with["namespace"] = g.label(63)
	}
	if g.may(50) {
		with["env"] = fields{"A": g.hostile(), "TOKEN": fields{"from": fields{"env": "TOKEN"}}}
	}
	if g.may(30) {
		with["secrets"] = []any{fields{"name": "db", "from": fields{"password": fields{"kubernetes": fields{"name": "db", "key": "password"}}}}}
	}
	return with
}

// directory is one of a few, so that steps share some.
func (g *generator) directory() fields {
	n := g.IntN(4)
	name := []string{"jobs/report", "jobs/load", "../shared/tool", "jobs"}[n]
	if n < 3 {
		g.Files[name+"/run.sh"] = "echo " + strings.Repeat("x", g.IntN(1000)) + "\n"
		g.Files[name+"/.gitignore"] = "*.log\n"
		g.Files[name+"/a.log"] = "left out"
	} else {
		g.Files["jobs/README.md"] = g.hostile()
	}
	directory := fields{"path": pick(g, name, "./"+name+"/")}
	if g.may(30) {
		directory["exclude"] = []any{"*.md"}
	}
	return directory
}

func (g *generator) flags() {
	minute := fmt.Sprintf("%d %d * * *", g.IntN(60), g.IntN(24))
	g.Flags = []string{"--image", pick(g, "registry.example.net/plan:1", "plan", "localhost:5000/a/b@sha256:"+strings.Repeat("0", 64)), "--namespace", g.label(63),
		"--schedule", pick(g, minute, "@daily", "*/5 * * * *", "0 0 29 2 *")}
	if g.may(50) {
		g.Flags = append(g.Flags, "--time-zone", pick(g, "Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"))
	}
	if g.may(50) {
		g.Flags = append(g.Flags, "--name", g.label(52))
	}
	if g.may(30) {
		g.Flags = append(g.Flags, "--suspend")
	}
	if g.may(50) {
		g.Flags = append(g.Flags, "--env-from", "secret/"+g.label(63), "--env-from", "configmap/"+g.label(20)+".x")
	}
	for i := range g.IntN(4) {
		g.Flags = append(g.Flags, "--env", fmt.Sprintf("X_%d=%s", i, g.hostile()))
	}
}
