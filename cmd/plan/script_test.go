package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"plan": main})
}

// TestScripts runs the program as its users do. Each script has a cluster, a bucket, a Bitwarden and a web hook of its own, all with TLS.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			testscript.Run(t, testscript.Params{
				Files: []string{file}, Setup: w.setup, RequireExplicitExec: true, RequireUniqueNames: true,
				Cmds: map[string]func(*testscript.TestScript, bool, []string){
					"exits": exits, "signalled": w.signalled, "fill": fill, "generate": generate, "secret-free": w.secretFree,
					"kube": w.kubeCommand, "s3": w.s3Command, "bw": w.bwCommand, "hook": w.hookCommand, "images": w.imagesCommand,
				},
			})
		})
	}
}

// setup gives a script its environment, and the plans of testdata/plans with the addresses of its servers.
func (w *world) setup(e *testscript.Env) error {
	vars := map[string]string{
		"HOME": filepath.Join(e.WorkDir, "home"), "XDG_STATE_HOME": filepath.Join(e.WorkDir, "state"),
		"KUBECONFIG": filepath.Join(e.WorkDir, "kubeconfig"), "SSL_CERT_FILE": filepath.Join(e.WorkDir, "ca.pem"),
		"KUBE_URL": w.kubeURL, "OTHER_URL": w.otherURL, "S3_URL": w.s3URL, "BW_URL": w.bwURL, "REGISTRY": strings.TrimPrefix(w.imagesURL, "https://"), "HOOK": w.hookURL + "/" + canary("hook"),
		"S3_ACCESS": canary("access"), "S3_SECRET": canary("secret"), "BW_TOKEN": w.token,
		"UID": clusterUID, "BUCKET": bucket, "BW_PROJECT": w.project, "CANARY": canary("hook"),
	}
	for name, id := range w.ids {
		vars["ID_"+name] = id
	}
	for name, value := range vars {
		e.Setenv(name, value)
	}
	files := map[string]string{"kubeconfig": w.kubeconfig(), "ca.pem": w.ca}
	plans, err := filepath.Glob("testdata/plans/*.yaml")
	if err != nil {
		return err
	}
	for _, plan := range plans {
		data, err := os.ReadFile(plan)
		if err != nil {
			return err
		}
		files[filepath.Base(plan)] = filled(string(data), e.Getenv)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(e.WorkDir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(e.WorkDir, "home"), 0o700)
}

// filled puts the environment's values in the place of @NAME@.
func filled(text string, getenv func(string) string) string {
	parts := strings.Split(text, "@")
	var b strings.Builder
	for i, part := range parts {
		switch value := getenv(part); {
		case i%2 == 0:
			b.WriteString(part)
		case value != "":
			b.WriteString(value)
		default:
			b.WriteString("@" + part + "@")
		}
	}
	return b.String()
}
