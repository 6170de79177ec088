// Package etcdsnapshot knows the etcd snapshots that k3s and RKE2 keep in an object store: how they are named, what their objects'
// metadata says, and how to tell a sound one from a damaged one. It changes nothing.
//
// Facts of k3s: pkg/etcd/snapshot.go and pkg/etcd/s3 of github.com/k3s-io/k3s. RKE2 runs the same code.
package etcdsnapshot

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Name is the name of a snapshot, taken apart: `<base>-<node>-<unix seconds>`, with `.zip` when it is compressed. Where the base ends and
// the node begins cannot be told from the name alone, since both may hold dashes.
type Name struct {
	Base string // with the node: "etcd-snapshot-server-1"
	Time time.Time
	Zip  bool
}

// shape is the name of a snapshot. Unix seconds have ten digits since 2001 and eleven from 2286 on; more would be another unit.
var shape = regexp.MustCompile(`(?s)^(.+)-([0-9]{10,11})(\.zip)?$`)

// ParseName takes the last part of a key apart. It is false for what k3s would not have named so.
func ParseName(name string) (Name, bool) {
	m := shape.FindStringSubmatch(name)
	if m == nil || strings.Contains(name, "/") {
		return Name{}, false
	}
	seconds, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil {
		return Name{}, false
	}
	return Name{Base: m[1], Time: time.Unix(seconds, 0).UTC(), Zip: m[3] != ""}, true
}

// Of tells whether the snapshot may be of a node: whether the base ends with the node's name, after a base of at least one character.
func (n Name) Of(node string) bool {
	return node != "" && len(n.Base) > len(node)+1 && strings.HasSuffix(n.Base, "-"+node)
}

// Begins tells whether the base is, or begins with, what `--etcd-snapshot-name` or `--name` gave.
func (n Name) Begins(base string) bool { return n.Base == base || strings.HasPrefix(n.Base, base+"-") }
