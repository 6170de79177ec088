package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"

	"plan/internal/bitwarden/bwtest"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore/s3test"
)

// exits runs a program that must end with an exit code: exits CODE PROGRAM ARGS…
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS…")
	}
	if got := exitOf(ts, ts.Exec(args[1], args[2:]...)); strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code is %d, want %s", got, args[0])
	}
}

func exitOf(ts *testscript.TestScript, err error) int {
	if err == nil {
		return 0
	}
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		ts.Fatalf("%v", err)
	}
	return failed.ExitCode()
}

// signalled runs plan and sends it a signal whenever it calls the hook: signalled CODE SIGNAL… -- ARGS…
func (w *world) signalled(ts *testscript.TestScript, neg bool, args []string) {
	i := slices.Index(args, "--")
	if neg || i < 2 {
		ts.Fatalf("usage: signalled CODE SIGNAL… -- ARGS…")
	}
	pidFile := ts.MkAbs("pid")
	ts.Check(os.RemoveAll(pidFile)) // an old number may be somebody else's by now
	for len(w.hook.called) > 0 {
		<-w.hook.called
	}
	go func() {
		for _, name := range args[1:i] {
			<-w.hook.called
			data, err := os.ReadFile(pidFile)
			pid, notNumber := strconv.Atoi(strings.TrimSpace(string(data)))
			if err != nil || notNumber != nil || pid <= 1 {
				return // the script then waits for an exit code that does not come
			}
			_ = syscall.Kill(pid, map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[name])
		}
	}()
	command := append([]string{"-c", `echo $$ >pid; exec plan "$@"`, "sh"}, args[i+1:]...)
	if got := exitOf(ts, ts.Exec("sh", command...)); strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code is %d, want %s", got, args[0])
	}
}

// fill puts the environment's values in the place of @NAME@ in files.
func fill(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args {
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(filled(ts.ReadFile(name), ts.Getenv)), 0o600))
	}
}

// generate writes a file of a line many times over: generate FILE N LINE
func generate(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), bytes.Repeat([]byte(args[2]+"\n"), n), 0o600))
}

// secretFree looks for canaries in the last program's output and in files and folders.
func (w *world) secretFree(ts *testscript.TestScript, _ bool, args []string) {
	texts := map[string]string{"stdout": ts.ReadFile("stdout"), "stderr": ts.ReadFile("stderr")}
	for _, name := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(name), func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				texts[path] = ts.ReadFile(path)
			}
			return err
		}))
	}
	for place, text := range texts {
		for _, secret := range w.canaries() {
			if strings.Contains(text, secret) {
				ts.Fatalf("%s has the secret %q", place, secret)
			}
		}
	}
}

var resources = map[string]struct {
	resource kube.Resource
	kind     string
}{
	"pv":   {kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume"},
	"pvc":  {kube.Resource{Version: "v1", Resource: "persistentvolumeclaims"}, "PersistentVolumeClaim"},
	"node": {kube.Resource{Version: "v1", Resource: "nodes"}, "Node"},
	"ns":   {kube.Resource{Version: "v1", Resource: "namespaces"}, "Namespace"},
	"pod":  {kube.Resource{Version: "v1", Resource: "pods"}, "Pod"},

	"secret":     {kube.Resource{Version: "v1", Resource: "secrets"}, "Secret"},
	"job":        {kube.Resource{Group: "batch", Version: "v1", Resource: "jobs"}, "Job"},
	"deployment": {kube.Resource{Group: "apps", Version: "v1", Resource: "deployments"}, "Deployment"},
}

// kubeCommand: kube add pv|pvc|node|ns|pod|secret|job|deployment FILE (an object a line) · kube show|remove pv|… [NAMESPACE/]NAME · kube bind · kube fail STATUS PATH · kube calls PATH N · kube other N
func (w *world) kubeCommand(ts *testscript.TestScript, _ bool, args []string) {
	switch args[0] {
	case "add":
		r := resources[args[1]]
		w.kube.Add(r.resource, r.kind, strings.Split(strings.TrimSpace(ts.ReadFile(args[2])), "\n")...)
	case "show", "remove":
		r := resources[args[1]].resource
		namespace, name, namespaced := strings.Cut(args[2], "/")
		if namespaced {
			r.Namespace = namespace
		} else {
			name = namespace
		}
		path := r.Path() + "/" + name
		if args[0] == "show" {
			fmt.Fprintln(ts.Stdout(), w.kube.Objects()[path])
			return
		}
		w.kube.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodDelete, path, nil))
	case "bind":
		w.kube.BindVolumes()
	case "fail":
		w.kube.Fail(kubetest.Fault{Path: args[2], Status: number(ts, args[1])})
	case "allow": // all that was denied
		w.rights.Lock()
		defer w.rights.Unlock()
		w.denied = nil
	case "serve": // kube serve GROUP VERSION RESOURCE
		w.kube.Add(kube.Resource{Group: args[1], Version: args[2], Resource: args[3]}, "Any")
	case "deny": // kube deny VERB RESOURCE [NAME]
		w.rights.Lock()
		defer w.rights.Unlock()
		w.denied = append(w.denied, strings.Join(args[1:], " "))
	case "calls":
		n := 0
		for _, r := range w.kube.Requests() {
			if strings.Contains(r.Path, args[1]) {
				n++
			}
		}
		count(ts, "requests of "+args[1], n, args[2])
	case "other":
		count(ts, "requests to the other cluster", len(w.other.called), args[1])
	default:
		ts.Fatalf("kube %s?", args[0])
	}
}

// s3Command: s3 fail EFFECT OP [TIMES] · s3 calls OP N · s3 count PATTERN N · s3 ls · s3 heal
func (w *world) s3Command(ts *testscript.TestScript, _ bool, args []string) {
	switch args[0] {
	case "fail":
		f := s3test.Fault{Effect: s3test.Effect(args[1]), Op: s3test.Op(args[2])}
		if len(args) > 3 {
			f.Times = number(ts, args[3])
		}
		w.s3.Inject(f)
	case "heal":
		w.s3.Heal()
	case "calls":
		count(ts, args[1], w.s3.Calls(s3test.Op(args[1])), args[2])
	case "count":
		n, pattern := 0, regexp.MustCompile("^(?:"+args[1]+")$")
		for key := range w.s3.Objects() {
			if pattern.MatchString(key) {
				n++
			}
		}
		count(ts, "objects "+args[1], n, args[2])
	case "ls":
		for _, key := range slices.Sorted(maps.Keys(w.s3.Objects())) {
			fmt.Fprintln(ts.Stdout(), key)
		}
	default:
		ts.Fatalf("s3 %s?", args[0])
	}
}

// bwCommand: bw revoke · bw busy SECONDS · bw hang · bw calls ENDPOINT N
func (w *world) bwCommand(ts *testscript.TestScript, _ bool, args []string) {
	switch args[0] {
	case "revoke":
		w.bw.Revoke(w.token)
	case "busy":
		w.bw.FailNext(bwtest.TooMany(args[1]))
	case "hang":
		hang := bwtest.Hang()
		wait := hang.Do
		hang.Do = func(rw http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
			w.hook.called <- struct{}{} // for signalled
			wait(rw, r, next)
		}
		w.bw.FailNext(hang)
	case "calls":
		count(ts, args[1], w.bw.Count(bwtest.Endpoint(args[1])), args[2])
	default:
		ts.Fatalf("bw %s?", args[0])
	}
}

// hookCommand: hook answer CODE… · hook hang N · hook got
func (w *world) hookCommand(ts *testscript.TestScript, _ bool, args []string) {
	w.hook.mu.Lock()
	defer w.hook.mu.Unlock()
	switch args[0] {
	case "answer":
		for _, code := range args[1:] {
			w.hook.codes = append(w.hook.codes, number(ts, code))
		}
	case "hang":
		w.hook.hang = number(ts, args[1])
	case "got":
		for _, line := range w.hook.got {
			fmt.Fprintln(ts.Stdout(), line)
		}
	default:
		ts.Fatalf("hook %s?", args[0])
	}
}

func number(ts *testscript.TestScript, s string) int {
	n, err := strconv.Atoi(s)
	ts.Check(err)
	return n
}

func count(ts *testscript.TestScript, what string, got int, want string) {
	if strconv.Itoa(got) != want {
		ts.Fatalf("%d %s, want %s", got, what, want)
	}
}
