package lab

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Registry is how to reach the lab's image registries. Both speak TLS with the lab's CA, and containerd trusts them.
// They forget their images when the lab stops.
type Registry struct {
	Address string // for everybody; below read-only/ it denies pushes
	Private string // for User alone
	User    string
	// Password is User's.
	Password string
}

const registryUser = "lab"

func (f folder) registry(s settings) Registry {
	return Registry{
		Address: f.addr(s, "registry"), Private: f.addr(s, "registry-private"),
		User: registryUser, Password: s.RegistryPassword,
	}
}

// StartRegistry starts the registries, as Start does for a lab with a node.
func (l *Lab) StartRegistry(ctx context.Context) error {
	return l.more(ctx, func(f folder, s *settings) error { return l.serveMore(ctx, f, *s, "registry") })
}

// registryHandler is a registry that keeps its layers in a folder. What an earlier process left there is of no use:
// the manifests are in memory.
func registryHandler(dir string) (http.Handler, error) {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return nil, fmt.Errorf("make the registry's folder: %w", err)
	}
	return registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithBlobHandler(registry.NewDiskBlobHandler(dir))), nil
}

// denied refuses to change what is below read-only/.
func denied(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/v2/read-only/") && req.Method != http.MethodGet && req.Method != http.MethodHead {
			refuse(w, http.StatusForbidden, "DENIED", "requested access to the resource is denied")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// guarded asks for a user and a password, in HTTP's basic way.
func guarded(user, password string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		u, p, _ := req.BasicAuth()
		if subtle.ConstantTimeCompare([]byte(u+"\n"+p), []byte(user+"\n"+password)) == 0 {
			w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
			return
		}
		next.ServeHTTP(w, req)
	})
}

// refuse answers with an error as registries write it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`+"\n", code, message)
}

// trustRegistries tells containerd how to reach the registries. The lab's own stands for all others: a pod that names
// one gets an answer at once, wherever the lab runs.
func (f folder) trustRegistries(s settings) error {
	for host, port := range map[string]string{
		f.addr(s, "registry"): "registry", f.addr(s, "registry-private"): "registry-private", "_default": "registry",
	} {
		dir := f.path("node", "registries", host)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("tell containerd of the registry: %w", err)
		}
		url, ca := "https://"+f.addr(s, port), f.path("pki", "ca.crt")
		text := fmt.Sprintf("server = %q\nca = %q\n\n[host.%q]\nca = %q\ncapabilities = [\"pull\", \"resolve\"]\n", url, ca, url, ca)
		if err := writeFile(dir+"/hosts.toml", []byte(text)); err != nil {
			return fmt.Errorf("tell containerd of the registry: %w", err)
		}
	}
	return nil
}

// pushImages brings the archive's images into the registry, where they are not there.
func (l *Lab) pushImages(ctx context.Context, archive string) error {
	client, err := l.HTTPClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, importLimit)
	defer cancel()
	opts := []remote.Option{remote.WithContext(ctx), remote.WithTransport(client.Transport)}
	for _, image := range []string{ShellImage, GitImage} {
		from, err := name.NewTag(image)
		if err != nil {
			return err
		}
		to, err := name.NewTag(l.Registry.Address + "/" + image)
		if err != nil {
			return err
		}
		if _, err := remote.Head(to, opts...); err == nil {
			continue
		}
		img, err := tarball.ImageFromPath(archive, &from)
		if err == nil {
			err = remote.Write(to, img, opts...)
		}
		if err != nil {
			return fmt.Errorf("push %s: %w", to, err)
		}
	}
	return nil
}
