package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"plan/internal/bitwarden/bwtest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore/s3test"
)

const clusterUID = kubetest.UID

// world is what plan meets in a script.
type world struct {
	kube    *kubetest.Server
	s3      *s3test.Server
	bw      *bwtest.Server
	hook    *hook
	images  *images
	other   *hook // another cluster, which nobody should ever ask
	token   string
	rights  sync.Mutex // of denied
	denied  []string   // rights that the cluster does not give: VERB RESOURCE, or with a name
	project string
	ids     map[string]string // of secrets in Bitwarden

	kubeURL, otherURL, s3URL, bwURL, hookURL, imagesURL string
	ca                                                  string
}

// canary is a secret value that may turn up nowhere.
func canary(name string) string {
	if name == "access" {
		return "AKIACANARY9F3QXZ7W" // S3 has a say in what it looks like
	}
	return "CANARY/" + name + "+9f3Qx\"Zé7w"
}

// bucket is a word that stands nowhere else: it may come from Bitwarden, and is then hidden wherever it stands.
const bucket = "vault-77"

func newWorld(t *testing.T) *world {
	w := &world{kube: kubetest.New(t), s3: s3test.New(bucket), bw: bwtest.New(), hook: newHook(), other: newHook(), images: newImages(), ids: map[string]string{}}
	w.s3.AccessKey = canary("access")
	w.kube.Allow = func(a kube.Access) bool {
		call := a.Verb + " " + a.Resource
		w.rights.Lock()
		defer w.rights.Unlock()
		return !slices.Contains(w.denied, call) && !slices.Contains(w.denied, call+" "+a.Name)
	}
	for _, server := range []struct {
		handler http.Handler
		url     *string
	}{{w.kube, &w.kubeURL}, {w.other, &w.otherURL}, {w.s3, &w.s3URL}, {w.bw, &w.bwURL}, {w.hook, &w.hookURL}, {w.images, &w.imagesURL}} {
		*server.url = w.serve(t, server.handler)
	}
	for _, image := range []string{"/app:1", "/helper:1"} {
		w.images.put(t, strings.TrimPrefix(w.imagesURL, "https://")+image)
	}
	w.token = w.bw.AddMachineAccount("plan")
	w.project = w.bw.AddProject("home")
	for name, value := range map[string]string{
		"ACCESS_KEY": canary("access"), "SECRET_KEY": canary("secret"), "BUCKET": bucket, "REGION": "us-east-1",
		"ENDPOINT": strings.TrimPrefix(w.s3URL, "https://"), "HOOK": w.hookURL + "/" + canary("hook"),
	} {
		w.ids[name] = w.bw.AddSecret(w.project, strings.ToLower(name), value)
	}
	w.kube.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", fmt.Sprintf(
		`{"apiVersion":"v1","kind":"Secret","metadata":{"name":"bitwarden-machine-account","namespace":"external-secrets"},"data":{"token":%q}}`,
		base64.StdEncoding.EncodeToString([]byte(w.token))))
	return w
}

// serve adds a server with TLS. All have the same certificate, which is its own authority.
func (w *world) serve(t *testing.T, h http.Handler) string {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that are interrupted leave in the middle
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	w.ca = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	return server.URL
}

func (w *world) kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: home
clusters:
- {name: home, cluster: {server: %q}}
- {name: other, cluster: {server: %q}}
- {name: gone, cluster: {server: "https://127.0.0.1:1"}}
contexts:
- {name: home, context: {cluster: home, user: me}}
- {name: other, context: {cluster: other, user: me}}
- {name: gone, context: {cluster: gone, user: me}}
users:
- {name: me, user: {}}
`, w.kubeURL, w.otherURL)
}

// canaries are all ways in which a secret could turn up.
func (w *world) canaries() []string {
	var all []string
	for _, secret := range []string{canary("hook"), canary("access"), canary("secret"), w.token} {
		quoted := fmt.Sprintf("%q", secret)
		all = append(all, secret, quoted[1:len(quoted)-1], url.QueryEscape(secret), url.PathEscape(secret),
			base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)))
	}
	return append(all, "CANARY")
}

// hook is a web hook that remembers what it got, answers what it is told and can keep its callers waiting.
type hook struct {
	mu     sync.Mutex
	got    []string
	codes  []int // of the next answers; then 200
	retry  string
	hang   int // so many requests get no answer
	called chan struct{}
}

func newHook() *hook { return &hook{called: make(chan struct{}, 100)} }

// ServeHTTP implements http.Handler.
func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) // what is missing of it is missing in got
	h.mu.Lock()
	h.got = append(h.got, fmt.Sprintf("%s %s %s", r.Method, strings.ReplaceAll(r.URL.Path, canary("hook"), "SECRET"), strings.TrimSpace(string(body))))
	code, hang := http.StatusOK, h.hang > 0
	if hang {
		h.hang--
	} else if len(h.codes) > 0 {
		code, h.codes = h.codes[0], h.codes[1:]
	}
	h.mu.Unlock()
	h.called <- struct{}{}
	if hang {
		select {
		case <-r.Context().Done():
		case <-time.After(time.Minute): // longer than any script
		}
		return
	}
	if h.retry != "" && code != http.StatusOK {
		w.Header().Set("Retry-After", h.retry)
	}
	w.WriteHeader(code)
}
