package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// packageFile is a file of a Debian package that the lab needs and can use without installing the package.
type packageFile struct{ pkg, path string }

func etcdFile() packageFile { return packageFile{pkg: "etcd-server", path: "usr/bin/etcd"} }

// etcd returns the path of an etcd binary: the one on the PATH, or the one of Debian's etcd-server, unpacked
// below cache. The package is not installed, so no service is started and nothing outside the cache changes.
func etcd(ctx context.Context, log Log, cache string) (string, error) {
	if p, err := exec.LookPath("etcd"); err == nil {
		return p, nil
	}
	return etcdFile().get(ctx, log, cache)
}

func (f packageFile) get(ctx context.Context, log Log, cache string) (string, error) {
	dir := filepath.Join(cache, "debian-"+f.pkg)
	bin := filepath.Join(dir, f.path)
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	if err := f.allowed(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("make the cache folder: %w", err)
	}
	unlock, err := lockFile(ctx, dir+".lock", func() { log("waiting for another lab to unpack %s", f.pkg) })
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	return bin, f.unpack(ctx, log, dir)
}

// allowed says what is missing when the package may not or cannot be fetched.
func (f packageFile) allowed() error {
	const elsewhere = "or use another cluster: PLAN_TEST_KUBECONFIG=<kubeconfig of a kind or k3d cluster>"
	what := filepath.Base(f.path)
	if os.Getenv("PLAN_LAB_INSTALL") == "0" {
		return fmt.Errorf("find %s: it is not on the PATH and PLAN_LAB_INSTALL=0 forbids fetching Debian's %s; install it, %s", what, f.pkg, elsewhere)
	}
	for _, tool := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("find %s: it is not on the PATH and this is not Debian (no %s); install %s, %s", what, tool, what, elsewhere)
		}
	}
	return nil
}

func (f packageFile) unpack(ctx context.Context, log Log, dir string) error {
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unpack-")
	if err != nil {
		return fmt.Errorf("make a folder for %s: %w", f.pkg, err)
	}
	defer os.RemoveAll(tmp)
	uri, err := f.uri(ctx, log)
	if err != nil {
		return err
	}
	log("packages to fetch with apt (unpacked into %s, not installed, no service is started):\n  %s", dir, uri)
	if err := f.download(ctx, log, tmp); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("download %s: apt left %d package files", f.pkg, len(debs))
	}
	root := filepath.Join(tmp, "root")
	if out, err := run(ctx, tmp, "dpkg-deb", "-x", debs[0], root); err != nil {
		return fmt.Errorf("unpack %s: %w\n%s", f.pkg, err, tail(out, 10))
	}
	if _, err := os.Stat(filepath.Join(root, f.path)); err != nil {
		return fmt.Errorf("unpack %s: %w", f.pkg, err)
	}
	if err := os.Rename(root, dir); err != nil {
		return fmt.Errorf("keep %s: %w", f.pkg, err)
	}
	return nil
}

// download fetches the package into dir; lists that have grown old name files that are gone, so it tries once
// more with new ones.
func (f packageFile) download(ctx context.Context, log Log, dir string) error {
	// apt's own user cannot write to dir, so apt is told to download as the caller.
	args := []string{"-q", "-o", "APT::Sandbox::User=", "download", f.pkg}
	out, err := run(ctx, dir, "apt-get", args...)
	if err != nil && os.Geteuid() == 0 {
		log("apt-get update: the package lists look old")
		if out, err := run(ctx, "", "apt-get", "-q", "update"); err != nil {
			return fmt.Errorf("apt-get update: %w\n%s", err, tail(out, 10))
		}
		out, err = run(ctx, dir, "apt-get", args...)
	}
	if err != nil {
		return fmt.Errorf("download %s: %w\n%s", f.pkg, err, tail(out, 10))
	}
	return nil
}

// uri is the package's name, version and size as apt would fetch it; a machine that has never read its package
// lists reads them first, which needs root.
func (f packageFile) uri(ctx context.Context, log Log) (string, error) {
	describe := func() (string, bool) {
		out, err := run(ctx, "", "apt-get", "-q", "--print-uris", "download", f.pkg)
		m := regexp.MustCompile(`'[^']*' (\S+) (\d+)`).FindSubmatch(out)
		if err != nil || m == nil {
			return "", false
		}
		return fmt.Sprintf("%s (%s bytes)", strings.ReplaceAll(string(m[1]), "%3a", ":"), m[2]), true
	}
	if s, ok := describe(); ok {
		return s, nil
	}
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("find Debian's %s: apt does not know it; run `apt-get update` as root, or put %s on the PATH", f.pkg, filepath.Base(f.path))
	}
	log("apt-get update: the package lists do not name %s yet", f.pkg)
	if out, err := run(ctx, "", "apt-get", "-q", "update"); err != nil {
		return "", fmt.Errorf("apt-get update: %w\n%s", err, tail(out, 10))
	}
	if s, ok := describe(); ok {
		return s, nil
	}
	return "", errors.New("find Debian's " + f.pkg + ": no such package; put " + filepath.Base(f.path) + " on the PATH")
}

func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	return cmd.CombinedOutput()
}
