package rigs

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"plan/test/lab/labtest"
)

// hole is a server that stops answering.
type hole struct {
	server string                   // kubernetes, s3, bitwarden or ping
	at     func(*http.Request) bool // from this request on; nil: no connection gets as far as TLS
	body   bool                     // that request gets a half of its answer, and the rest never
}

// asks is a request by its method and a part of its path.
func asks(method, part string) func(*http.Request) bool {
	return func(req *http.Request) bool {
		return (method == "" || req.Method == method) && strings.Contains(req.URL.Path, part)
	}
}

// after lets so many requests through.
func after(n int32) func(*http.Request) bool {
	var seen atomic.Int32
	return func(*http.Request) bool { return seen.Add(1) > n }
}

// swallow answers no request from the hole's on.
func (h hole) swallow() labtest.Hook {
	var dark atomic.Bool
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if !dark.Load() && !h.at(req) {
			next.ServeHTTP(w, req)
			return
		}
		if h.body && !dark.Load() {
			half(w, req, next)
		}
		dark.Store(true)
		_, _ = io.Copy(io.Discard, req.Body) // or nobody notices that the client is gone
		<-req.Context().Done()
	}
}

// half answers with the first half of a body.
func half(w http.ResponseWriter, req *http.Request, next http.Handler) {
	got := httptest.NewRecorder()
	next.ServeHTTP(got, req)
	for name, values := range got.Header() {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(got.Body.Len()))
	w.WriteHeader(got.Code)
	_, _ = w.Write(got.Body.Bytes()[:got.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
}

// silence is an address that takes connections and says nothing.
func silence(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
	}()
	return "https://" + l.Addr().String()
}

// holeCase is a command that meets a hole.
type holeCase struct {
	hole
	args  []string // PLAN is the plan's file
	steps string
	more  string        // of the plan's spec
	limit time.Duration // the command's own, by what the plan and P8 say
	codes []int
}

const (
	heldPVs   = "    - {id: pvs, uses: backup-pvs, timeout: 2s, retry: {attempts: 1}, with: {prefix: hole}}\n"
	heldCheck = "    - {id: check, uses: verify-backup, timeout: 2s, retry: {attempts: 1}, with: {artefact: nodes}}\n"
	heldToken = "    - {id: token, uses: backup-node-token, timeout: 3s, retry: {attempts: 1}, with: {path: token, to: {bitwarden: {project: homelab, key: hole}}}}\n"
	slotsPVs  = "    - {id: pvs, uses: backup-pvs, with: {prefix: slots}}\n"
	heldPing  = "    - {id: ping, uses: notify, timeout: 2s, retry: {attempts: 1}, with: {url: {from: {env: PING}}}}\n"
	// What comes before the first step has its own bounds: 30 s for a question, a minute for a run in the cluster, two for all secrets.
	question, recorded, secret = 35 * time.Second, 100 * time.Second, 130 * time.Second
)

func holeCases() map[string]holeCase {
	apply := []string{"apply", "PLAN"}
	inCluster := []string{"--state", "cluster"}
	kubernetes, s3, bitwarden := hole{server: "kubernetes"}, hole{server: "s3"}, hole{server: "bitwarden"}
	from := func(h hole, at func(*http.Request) bool, body bool) hole { h.at, h.body = at, body; return h }
	listed := asks(http.MethodGet, "/persistentvolumes")
	return map[string]holeCase{
		"API server, from the start":       {kubernetes, apply, heldPVs, "", question, []int{69}},
		"API server, at the lock":          {from(kubernetes, asks("", "/leases/"), false), apply, heldPVs, "  concurrency: {group: hole, onConflict: fail}\n", question + 10*time.Second, []int{69}},
		"API server, in a step":            {from(kubernetes, listed, false), apply, heldPVs, "", 10 * time.Second, []int{1}},
		"API server, in a list":            {from(kubernetes, listed, true), apply, heldPVs, "", 10 * time.Second, []int{1}},
		"API server, over the run's time":  {from(kubernetes, listed, false), apply, strings.ReplaceAll(heldPVs, "timeout: 2s", "timeout: 1h"), "  timeout: 2s\n", 10 * time.Second, []int{124}},
		"S3, from the start":               {s3, apply, heldPVs, "", question, []int{69}},
		"S3, at the upload":                {from(s3, asks(http.MethodPut, ""), false), apply, heldPVs, "", 15 * time.Second, []int{1}},
		"S3, when it is read back":         {from(s3, asks(http.MethodGet, "/pvs-"), true), apply, heldPVs, "", 15 * time.Second, []int{1}},
		"S3, in a check":                   {from(s3, asks(http.MethodGet, "/nodes-"), true), apply, heldCheck, "", 10 * time.Second, []int{1, 4}},
		"Bitwarden, at a write":            {from(bitwarden, asks(http.MethodPost, "/secrets"), false), apply, heldToken, "", 20 * time.Second, []int{5}},
		"Bitwarden, in a list":             {from(bitwarden, asks(http.MethodGet, "/secrets"), true), apply, heldToken, "", 20 * time.Second, []int{1}},
		"a web hook":                       {hole{server: "ping"}, apply, heldPing, "", 10 * time.Second, []int{1}},
		"S3, backup ls":                    {s3, []string{"backup", "ls", "--plan", "PLAN"}, heldPVs, "", question, []int{69}},
		"Bitwarden, from the start":        {bitwarden, apply, heldToken + "    - {id: ping, uses: notify, with: {url: {from: {bitwarden: {project: homelab, key: s3-endpoint}}}}}\n", "", secret, []int{69}},
		"Bitwarden, in an answer":          {from(bitwarden, asks("", "/identity"), true), apply, "    - {id: ping, uses: notify, with: {url: {from: {bitwarden: {project: homelab, key: s3-endpoint}}}}}\n", "", secret, []int{69}},
		"API server, at the run's record":  {from(kubernetes, asks("", "/configmaps"), false), slices.Concat(apply, inCluster), heldPVs, "", recorded, []int{69}},
		"API server, while a run goes on":  {from(kubernetes, listed, false), slices.Concat(apply, inCluster), heldPVs, "", recorded + 40*time.Second, []int{1, 5}},
		"API server, after the first step": {from(kubernetes, after(12), false), slices.Concat(apply, inCluster), heldPVs + heldPVs2, "", recorded + 40*time.Second, []int{1, 5}},
		"API server, runs":                 {kubernetes, slices.Concat([]string{"runs"}, inCluster), heldPVs, "", recorded, []int{69}},
		"API server, status":               {kubernetes, slices.Concat([]string{"status", "latest"}, inCluster), heldPVs, "", recorded, []int{69}},
		"API server, cancel":               {kubernetes, slices.Concat([]string{"cancel", "latest"}, inCluster), heldPVs, "", recorded, []int{69}},
		"API server, resume":               {kubernetes, slices.Concat([]string{"resume", "latest"}, inCluster), heldPVs, "", recorded, []int{69}},
		"API server, delete":               {kubernetes, slices.Concat([]string{"delete", "latest"}, inCluster), heldPVs, "", recorded, []int{69}},
		"S3, restore":                      {s3, []string{"restore", "KEY", "--plan", "PLAN", "--yes"}, slotsPVs, "", question, []int{69}},
		"API server, restore":              {kubernetes, []string{"restore", "KEY", "--plan", "PLAN", "--yes"}, slotsPVs, "", question, []int{69}},
	}
}

const heldPVs2 = "    - {id: again, uses: backup-pvs, timeout: 2s, retry: {attempts: 1}, with: {prefix: hole}}\n"

// TestNoServerKeepsACommandForever: servers that take connections and do not answer, or stop in the middle of an answer. Every command ends
// within its time, with a code that is true. PLAN_RIG_HOLES=all tries those whose own patience is a minute or more, too.
func TestNoServerKeepsACommandForever(t *testing.T) {
	r := theWorld(t)
	begin, tried, faults := time.Now(), 0, atomic.Int32{}
	var group sync.WaitGroup
	for name, c := range holeCases() {
		if c.limit > time.Minute && os.Getenv("PLAN_RIG_HOLES") != "all" {
			continue
		}
		tried++
		group.Go(func() { // all at once: they only wait
			if err := r.intoHole(t, c); err != nil {
				faults.Add(1)
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	group.Wait()
	fmt.Printf("rig black holes: %d commands, %d without end or untrue, %.0f s\n", tried, faults.Load(), time.Since(begin).Seconds())
}

func (r *rig) intoHole(t *testing.T, c holeCase) error {
	dir := t.TempDir()
	cmd, s3, err := r.atHole(t, c, dir)
	if err != nil {
		return err
	}
	token, _ := newToken()
	if _, err := cmd.write("token", token); err != nil {
		return err
	}
	text := strings.Replace(r.planText(s3, "x", c.steps), "  concurrency: {group: x, waitTimeout: 70s}\n", c.more, 1)
	if strings.Contains(c.more, "  timeout:") {
		text = strings.Replace(text, "  timeout: 100s\n", "", 1)
	}
	plan, err := cmd.write("plan.yaml", text)
	if err != nil {
		return err
	}
	args := slices.Clone(c.args)
	for i := range args {
		args[i] = strings.NewReplacer("PLAN", plan, "KEY", r.workers[0].restore.key).Replace(args[i])
	}
	cmd.limit = c.limit + 15*time.Second // two cores are shared with other tests
	got, err := cmd.run(args...)
	switch {
	case err != nil:
		return err
	case got.late:
		return got.fault("it did not end within %s", c.limit)
	case !slices.Contains(c.codes, got.code):
		return got.fault("want exit %v", c.codes)
	}
	left, err := filepath.Glob(filepath.Join(dir, "tmp", "*"))
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("temporary files are left: %q", left)
	}
	return err
}

// atHole is the program, with one server that is a hole, and the address of S3.
func (r *rig) atHole(t *testing.T, c holeCase, dir string) (*command, string, error) {
	config, err := r.RESTConfig()
	if err != nil {
		return nil, "", err
	}
	address := map[string]string{"kubernetes": config.Host, "s3": r.S3.Endpoint, "bitwarden": r.Bitwarden.URL, "ping": r.PingURL}
	p := &labtest.Proxy{Server: &httptest.Server{URL: silence(t)}, CAFile: r.BundleFile}
	if c.at != nil {
		if p, err = labtest.NewProxy(r.Lab, dir, address[c.server], c.swallow()); err != nil {
			return nil, "", err
		}
		t.Cleanup(p.End)
	}
	address[c.server] = p.URL
	kubeconfig := r.Kubeconfig
	if c.server == "kubernetes" {
		if kubeconfig, err = p.Kubeconfig(r.Kubeconfig, dir); err != nil {
			return nil, "", err
		}
	}
	cmd, err := r.command(dir, "KUBECONFIG="+kubeconfig, "SSL_CERT_FILE="+p.CAFile, "BWS_SERVER_URL="+address["bitwarden"], "PING="+address["ping"])
	return cmd, address["s3"], err
}
