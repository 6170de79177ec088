package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// folder is where one lab keeps everything: settings, keys, data, logs and records of processes.
type folder struct{ dir string }

func (f folder) path(elem ...string) string {
	return filepath.Join(append([]string{f.dir}, elem...)...)
}
func (f folder) logFile(name string) string { return f.path("logs", name+".log") }
func (f folder) settingsFile() string       { return f.path("lab.json") }

// addr is where the named server listens: on loopback, but for the git server of a lab that has had a node, which pods
// reach, too.
func (f folder) addr(s settings, n string) string {
	host := "127.0.0.1"
	if n == "git" && s.Number != 0 {
		pods, _ := networks(s.Number)
		host = pods.gateway.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(s.Ports[n]))
}

// settings is what a lab chooses once and keeps, so that addresses and credentials survive a restart.
type settings struct {
	Ports            map[string]int `json:"ports"`
	AdminToken       string         `json:"adminToken"`
	LimitedToken     string         `json:"limitedToken"`
	ManagerToken     string         `json:"managerToken"`
	SchedulerToken   string         `json:"schedulerToken"`
	NodeToken        string         `json:"nodeToken"`
	RegistryPassword string         `json:"registryPassword"`
	GitPassword      string         `json:"gitPassword"`
	Number           int            `json:"number,omitempty"` // of the node's networks, see network; 0: none was chosen yet
	S3               S3             `json:"s3"`
	BitwardenSeed    string         `json:"bitwardenSeed"` // its ids and tokens follow from it
}

func portNames() []string {
	return []string{
		"etcd", "etcd-peer", "apiserver", "controller-manager", "s3", "bitwarden", "ping",
		"scheduler", "kubelet", "kubelet-healthz", "registry", "registry-private", "git", "pods",
	}
}

// open makes the folder where it is missing and returns its settings, choosing what has not been chosen yet and
// ports anew that somebody else has taken.
func (f folder) open() (settings, error) {
	for _, d := range []string{"", "run", "logs", "pki", "etcd", "s3/data", "s3/meta", "s3/versions", "s3/iam"} {
		if err := os.MkdirAll(f.path(d), 0o700); err != nil {
			return settings{}, fmt.Errorf("make the lab's folder: %w", err)
		}
	}
	s, err := f.load()
	if err != nil {
		return s, err
	}
	if err := f.complete(&s); err != nil {
		return settings{}, err
	}
	if err := writeJSON(f.settingsFile(), s); err != nil {
		return settings{}, fmt.Errorf("keep the lab's settings: %w", err)
	}
	return s, nil
}

// load returns the settings as they are; a new folder has none.
func (f folder) load() (s settings, err error) {
	b, err := os.ReadFile(f.settingsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("read the lab's settings: %w", err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("read %s: %w", f.settingsFile(), err)
	}
	return s, nil
}

func (f folder) complete(s *settings) error {
	if s.Ports == nil {
		s.Ports = chooseBlock()
	}
	for _, name := range portNames() {
		if s.Ports[name] != 0 && (f.serves(name) || free(s.Ports[name]) || f.servedHere(*s, name)) {
			continue
		}
		p, err := choosePort(s.Ports)
		if err != nil {
			return err
		}
		s.Ports[name] = p
	}
	for _, token := range []*string{
		&s.AdminToken, &s.LimitedToken, &s.ManagerToken, &s.SchedulerToken, &s.NodeToken, &s.RegistryPassword, &s.GitPassword,
	} {
		if *token == "" {
			*token = randomHex(16)
		}
	}
	if s.BitwardenSeed == "" {
		s.BitwardenSeed = randomHex(16)
	}
	s.S3.complete()
	s.S3.Endpoint = "https://" + f.addr(*s, "s3")
	return nil
}

// serves reports whether the process that listens on the named port is one of this lab.
func (f folder) serves(port string) bool {
	owner := map[string]string{
		"etcd-peer": "etcd", "apiserver": "kube-apiserver", "controller-manager": "kube-controller-manager", "s3": "versitygw",
		"scheduler": "kube-scheduler", "kubelet-healthz": "kubelet", "registry-private": "registry",
	}
	name := port
	if o, ok := owner[port]; ok {
		name = o
	}
	r, ok := f.record(name)
	return ok && r.alive()
}

// servedHere reports whether the named port is one of those that a process of this lab serves itself, without being
// recorded, and does: only such a server has a certificate of this lab's CA.
func (f folder) servedHere(s settings, port string) bool {
	if !slices.Contains([]string{"registry", "registry-private", "git", "pods"}, port) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return answers("https://"+f.addr(s, port)+"/health", f.path("pki", "ca.crt"))(ctx) == nil
}

// chooseBlock finds ports one after the other that are all free. Two labs that start at once would more often meet in one of many single ports than
// in a block. None is found rarely, and is no error: then each is chosen by itself.
func chooseBlock() map[string]int {
	names := portNames()
	for range 100 {
		first, ports := 20000+16*mathrand.IntN(12000/16), map[string]int{}
		for i, name := range names {
			if free(first + i) {
				ports[name] = first + i
			}
		}
		if len(ports) == len(names) {
			return ports
		}
	}
	return map[string]int{}
}

// choosePort finds a free port below Linux's ephemeral range (32768, ip(7)), where an outgoing connection
// cannot take it while the lab is down.
func choosePort(taken map[string]int) (int, error) {
	used := map[int]bool{}
	for _, p := range taken {
		used[p] = true
	}
	for range 1000 {
		if p := 20000 + mathrand.IntN(12000); !used[p] && free(p) {
			return p, nil
		}
	}
	return 0, errors.New("choose a port on 127.0.0.1: found none free between 20000 and 32000")
}

func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func writeJSON(name string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(name, append(b, '\n'))
}

// writeFile writes a file that is either the old or the new one, whatever happens; its owner alone may read it.
// A file that already holds b is left as it is.
func writeFile(name string, b []byte) error {
	if old, err := os.ReadFile(name); err == nil && string(old) == string(b) {
		return nil
	}
	tmp := fmt.Sprintf("%s.%d.tmp", name, os.Getpid())
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, name)
}
