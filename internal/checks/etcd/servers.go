package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"plan/internal/checks"
	"plan/internal/checks/verify"
	"plan/internal/kube"
)

// servers is what the nodes tell about etcd and its snapshots.
type servers struct {
	known   bool     // the nodes could be listed, and there are some
	etcd    []string // names of the nodes that run etcd
	bases   []string // what the schedule's snapshots begin with
	off     int      // how many of those have the schedule switched off
	noCron  bool     // all of them have
	data    string   // folder of k3s' data
	rke2    bool
	servers int  // nodes that say they are servers
	foreign bool // a server is told to keep its data elsewhere
}

// node is what matters of a Node.
type node struct {
	Metadata struct {
		Name        string            `json:"name"`
		Labels      map[string]string `json:"labels"`
		Annotations map[string]string `json:"annotations"`
	} `json:"metadata"`
}

// etcdLabel is what k3s and RKE2 put on a server with embedded etcd.
const etcdLabel = "node-role.kubernetes.io/etcd"

const defaultBase = "etcd-snapshot" // --etcd-snapshot-name

// findServers lists the nodes. It gives an outcome when there is no etcd here: only a complete list without any can say so.
func (l *look) findServers(ctx context.Context) *verify.Outcome {
	s := servers{data: "/var/lib/rancher/k3s"}
	nodes := 0
	err := l.each(ctx, kube.Resource{Version: "v1", Resource: "nodes"}, func(item json.RawMessage) error {
		var n node
		if err := json.Unmarshal(item, &n); err != nil {
			return fmt.Errorf("decode a node: %w", err)
		}
		nodes++
		s.take(n)
		return nil
	})
	if err == nil && nodes == 0 {
		err = errors.New("the list of nodes is empty: whether there is an etcd cannot be told")
	}
	if err != nil {
		l.servers = servers{bases: []string{defaultBase}}
		l.add(checks.Broken("nodes", err))
		return nil
	}
	s.known = true
	slices.Sort(s.etcd)
	s.noCron = s.off > 0 && s.off == len(s.etcd)
	if len(s.bases) == 0 {
		s.bases = []string{defaultBase}
	}
	l.servers = s
	if len(s.etcd) == 0 {
		return s.absent()
	}
	return nil
}

// take reads one node.
func (s *servers) take(n node) {
	if n.Metadata.Labels[etcdLabel] == "true" {
		s.etcd = append(s.etcd, n.Metadata.Name)
	}
	text, ok := n.Metadata.Annotations["k3s.io/node-args"]
	if rke2, is := n.Metadata.Annotations["rke2.io/node-args"]; is {
		text, ok, s.rke2 = rke2, true, true
	}
	var args []string
	if !ok || json.Unmarshal([]byte(text), &args) != nil || len(args) == 0 || args[0] != "server" {
		return // an agent, or a node of another distribution
	}
	s.servers++
	environment := map[string]string{} // values of secrets show as asterisks
	for _, key := range []string{"k3s.io/node-env", "rke2.io/node-env"} {
		_ = json.Unmarshal([]byte(n.Metadata.Annotations[key]), &environment) // absent is empty
	}
	if _, told := flag(args, "datastore-endpoint"); told || environment["K3S_DATASTORE_ENDPOINT"] != "" || environment["RKE2_DATASTORE_ENDPOINT"] != "" {
		s.foreign = true
	}
	if dir, told := flag(args, "data-dir", "d"); told && dir != "" {
		s.data = dir
	}
	if n.Metadata.Labels[etcdLabel] != "true" {
		return
	}
	if base, told := flag(args, "etcd-snapshot-name"); told && base != "" {
		s.bases = append(s.bases, base)
	} else {
		s.bases = append(s.bases, defaultBase)
	}
	if off, told := flag(args, "etcd-disable-snapshots"); told && off != "false" {
		s.off++
	}
}

// flag gives the last value of a flag of k3s, written as --name value, --name=value or with one dash. Without a value it is empty.
func flag(args []string, names ...string) (value string, told bool) {
	for i, arg := range args {
		word, given, joined := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || !slices.Contains(names, word) {
			continue
		}
		value, told = given, true
		if !joined && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			value = args[i+1]
		}
	}
	return value, told
}

// absent says what keeps the cluster's state instead of etcd, and how to look after that.
func (s *servers) absent() *verify.Outcome {
	const what = "not applicable: no embedded etcd"
	if s.rke2 && s.data == "/var/lib/rancher/k3s" {
		s.data = "/var/lib/rancher/rke2"
	}
	token := path.Join(s.data, "server/token")
	switch {
	case s.servers == 0:
		return verify.NotHere("etcd", what, "no node has the label "+etcdLabel+"=true, and none says that it is a server of k3s or RKE2",
			"leave the check out here; verify-store and verify-object watch other backups of a control plane")
	case s.foreign:
		return verify.NotHere("etcd", what+" (external datastore)", "the servers are told a --datastore-endpoint, and no node has the label "+etcdLabel+"=true",
			"back that database up with its own tools, keep "+token+", and watch the dumps with verify-store")
	}
	db := path.Join(s.data, "server/db/state.db")
	return verify.NotHere("etcd", what+" (SQLite at "+db+")", "no node has the label "+etcdLabel+"=true, and no server is told a --datastore-endpoint",
		"copy "+path.Dir(db)+" with all its files and "+token+" to a store, and watch the copies with verify-store")
}

// each goes through all objects of a resource.
func (l *look) each(ctx context.Context, r kube.Resource, use func(json.RawMessage) error) error {
	if l.env.Kube == nil {
		return errors.New("no cluster is connected")
	}
	for page, err := range l.env.Kube.List(ctx, r, 0) {
		if err != nil {
			return err
		}
		for _, item := range page.Items {
			if err := use(item); err != nil {
				return err
			}
		}
	}
	return nil
}
