package kube_test

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"plan/internal/kube"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: CURRENT
clusters:
- {name: home, cluster: {server: "https://home:6443"}}
- {name: work, cluster: {server: "https://work:6443"}}
users:
- {name: me, user: {token: abc}}
contexts:
- {name: home, context: {cluster: home, user: me, namespace: media}}
- {name: work, context: {cluster: work, user: me}}
`

func write(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadChoosesAsKubectlDoesAndNeverAnotherCluster(t *testing.T) {
	dir := t.TempDir()
	home := write(t, dir, "user/.kube/config", strings.ReplaceAll(kubeconfig, "CURRENT", "home"))
	other := write(t, dir, "other", strings.ReplaceAll(kubeconfig, "CURRENT", "work"))
	none := write(t, dir, "none", strings.ReplaceAll(kubeconfig, "CURRENT", `""`))
	gone := filepath.Join(dir, "gone")
	pod := filepath.Join(dir, "pod")
	write(t, pod, "token", "abc")
	write(t, pod, "namespace", "backups\n")
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	write(t, pod, "ca.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	inPod := map[string]string{"KUBERNETES_SERVICE_HOST": "10.43.0.1", "KUBERNETES_SERVICE_PORT": "443"}
	user := filepath.Join(dir, "user")

	tests := map[string]struct {
		config          kube.Config
		env             map[string]string
		host, namespace string
		err             error
		says            string
	}{
		"home's current context":       {env: map[string]string{"HOME": user}, host: "https://home:6443", namespace: "media"},
		"a named context":              {config: kube.Config{Context: "work"}, env: map[string]string{"HOME": user}, host: "https://work:6443", namespace: "default"},
		"namespace over the context":   {config: kube.Config{Namespace: "x"}, env: map[string]string{"HOME": user}, host: "https://home:6443", namespace: "x"},
		"KUBECONFIG over home":         {env: map[string]string{"HOME": user, "KUBECONFIG": other}, host: "https://work:6443", namespace: "default"},
		"a path over KUBECONFIG":       {config: kube.Config{Kubeconfig: home}, env: map[string]string{"KUBECONFIG": other}, host: "https://home:6443", namespace: "media"},
		"the first file wins":          {env: map[string]string{"KUBECONFIG": gone + ":" + other + ":" + home}, host: "https://work:6443", namespace: "default"},
		"kubeconfig before the pod":    {env: with(inPod, "HOME", user), host: "https://home:6443", namespace: "media"},
		"the pod without kubeconfig":   {env: inPod, host: "https://10.43.0.1:443", namespace: "backups"},
		"a path that is not there":     {config: kube.Config{Kubeconfig: gone}, env: with(inPod, "HOME", user), err: kube.ErrNoConfig, says: gone},
		"KUBECONFIG that is not there": {env: with(inPod, "KUBECONFIG", gone), err: kube.ErrNoConfig, says: gone},
		"a context that is not there":  {config: kube.Config{Context: "prod"}, env: with(inPod, "HOME", user), err: kube.ErrNoContext, says: `"prod"; the kubeconfig has: home, work`},
		"no current context":           {env: with(inPod, "KUBECONFIG", none), err: kube.ErrNoContext, says: "home, work"},
		"a context in a pod":           {config: kube.Config{Context: "home"}, env: inPod, err: kube.ErrNoContext, says: `"home"`},
		"nothing at all":               {err: kube.ErrNoConfig, says: "KUBECONFIG"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			tt.config.Getenv = func(k string) string { return tt.env[k] }
			tt.config.InClusterDir = pod
			c, err := kube.Load(tt.config)
			if tt.err != nil {
				if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("error %v, want %v with %q", err, tt.err, tt.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.Host() != tt.host || c.Namespace() != tt.namespace {
				t.Errorf("%s, namespace %s; want %s, %s", c.Host(), c.Namespace(), tt.host, tt.namespace)
			}
		})
	}
}

func with(m map[string]string, k, v string) map[string]string {
	out := map[string]string{k: v}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// TestInsecureHasNoAuthority: client-go takes one or the other.
func TestInsecureHasNoAuthority(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"gitVersion":"v1"}`)) }))
	defer server.Close()
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	authority := base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for _, c := range []struct {
		name, cluster   string
		insecure, fails bool
	}{
		{"nobody knows the server", `{server: "` + server.URL + `"}`, false, true},
		{"it is not asked who it is", `{server: "` + server.URL + `"}`, true, false},
		{"nor where an authority is named", `{server: "` + server.URL + `", certificate-authority-data: ` + authority + `}`, true, false},
	} {
		text := strings.NewReplacer("CURRENT", "home", `{server: "https://home:6443"}`, c.cluster).Replace(kubeconfig)
		client, err := kube.Load(kube.Config{Kubeconfig: write(t, t.TempDir(), "config", text), Insecure: c.insecure, Getenv: func(string) string { return "" }})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Version(t.Context()); (err != nil) != c.fails {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
