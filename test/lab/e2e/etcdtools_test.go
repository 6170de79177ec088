package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"plan/internal/etcdsnapshot/snapshottest"
	"plan/test/lab"
)

// etcdTools are the programs that come with etcd, and the lab's server.
type etcdTools struct{ server, ctl, endpoint string }

func (r *rig) etcdTools(t *testing.T) etcdTools {
	t.Helper()
	server, ctl, err := lab.EtcdTools(t.Context(), t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return etcdTools{server, ctl, r.Etcd}
}

// run calls etcdctl and wants it to succeed.
func (e etcdTools) run(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out, err := e.try(t.Context(), stdin, args...)
	if err != nil {
		t.Fatalf("etcdctl %q: %v\n%s", args, err, out)
	}
	return out
}

func (e etcdTools) try(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, e.ctl, args...)
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3", "ETCDCTL_ENDPOINTS="+e.endpoint)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// snapshot makes a real snapshot of the lab's etcd, with the cluster's bootstrap data in it as k3s keeps it, and a key to find again.
func (r *rig) snapshot(t *testing.T, tools etcdTools) (file, marked string) {
	t.Helper()
	data, err := snapshottest.Bootstrap(serverPassword)
	if err != nil {
		t.Fatal(err)
	}
	bootstrap := "/bootstrap/" + snapshottest.Hash(serverPassword)
	marked = fmt.Sprintf("marked at %s", time.Now().Format(time.RFC3339Nano))
	tools.run(t, string(data), "put", bootstrap)
	tools.run(t, marked, "put", markedKey)
	t.Cleanup(func() {
		for _, key := range []string{bootstrap, markedKey} {
			if out, err := tools.try(theEnd(), "", "del", key); err != nil {
				t.Errorf("remove %s: %v\n%s", key, err, out)
			}
		}
	})
	file = filepath.Join(t.TempDir(), "snapshot")
	tools.run(t, "", "snapshot", "save", file)
	return file, marked
}

// snapshotBytes is a new snapshot's content.
func (r *rig) snapshotBytes(t *testing.T) []byte {
	t.Helper()
	file, _ := r.snapshot(t, r.etcdTools(t))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// restored restores a snapshot into a new etcd and gives a key's value in it.
func (e etcdTools) restored(t *testing.T, file, key string) string {
	t.Helper()
	client, peer := "http://"+freeAddress(t), "http://"+freeAddress(t)
	data := filepath.Join(t.TempDir(), "data")
	e.run(t, "", "snapshot", "restore", file, "--name=again", "--data-dir="+data, "--initial-cluster=again="+peer, "--initial-advertise-peer-urls="+peer)
	var log bytes.Buffer
	server := exec.Command(e.server, "--name=again", "--data-dir="+data, "--unsafe-no-fsync", "--logger=zap", "--log-level=warn",
		"--listen-client-urls="+client, "--advertise-client-urls="+client, "--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=again="+peer)
	server.Stdout, server.Stderr = &log, &log
	server.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = server.Process.Kill() // it may have ended
		_ = server.Wait()
	}()
	e.endpoint = client
	var out string
	err := errors.New("it was not asked")
	for deadline := time.Now().Add(time.Minute); err != nil && time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		out, err = e.try(t.Context(), "", "get", "--print-value-only", key)
	}
	if err != nil {
		_ = server.Process.Kill()
		_ = server.Wait() // then nobody writes to log
		t.Fatalf("the restored etcd does not answer: %v\n%s\n%s", err, out, log.String())
	}
	return strings.TrimSuffix(out, "\n")
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
