package main

import (
	"bytes"
	"encoding/base64"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"plan/internal/workload"
)

// atHome gives this process a cluster, and a working directory with files.
func atHome(t *testing.T, files map[string]string) *world {
	t.Helper()
	w := newWorld(t)
	t.Chdir(t.TempDir())
	t.Setenv("SSL_CERT_FILE", "ca.pem")
	t.Setenv("KUBECONFIG", "kubeconfig")
	t.Setenv("PLAN_INSECURE_SKIP_TLS_VERIFY", "true") // the process has read its authorities by now
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	all := map[string]string{"kubeconfig": w.kubeconfig()}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// TestTheSecretsPreviewIsYAMLWithoutValues, whatever the values look like.
func TestTheSecretsPreviewIsYAMLWithoutValues(t *testing.T) {
	values := map[string]string{
		"colon": "a: b: c\n", "tab": "\t- x", "quote": `"it's"`, "binary": "\x00\xff\xfe", "anchor": "&a *a", "long": strings.Repeat("verysecret", 500),
	}
	w := atHome(t, values)
	args := []string{"secret", "set", "db", "--dry-run=client", "--from-stdin", "token", "--prompt", "typed"}
	for name := range values {
		args = append(args, "--from-file", name)
	}
	for _, format := range []string{"yaml", "json"} {
		code, out, talk := call(t, append(args, "-o", format)...)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, talk)
		}
		objects := documentsOf(t, out)
		if len(objects) != 1 || objects[0]["kind"] != "Secret" || objects[0]["data"] != nil || objects[0]["stringData"] != nil {
			t.Errorf("-o %s: it is no Secret without data:\n%s", format, out)
		}
		for name, value := range values {
			if strings.Contains(out, strings.TrimSpace(value)) || strings.Contains(out, base64.StdEncoding.EncodeToString([]byte(value))) {
				t.Errorf("-o %s shows the value of %s:\n%s", format, name, out)
			}
			if !strings.Contains(out, name) {
				t.Errorf("-o %s does not name the key %s", format, name)
			}
		}
	}
	if n := len(w.kube.Requests()); n != 0 {
		t.Errorf("the preview asked the cluster %d times", n)
	}
}

// TestASecretIsFoundUnderTheNameItWasSet: no name is changed on one side and not on the other.
func TestASecretIsFoundUnderTheNameItWasSet(t *testing.T) {
	atHome(t, map[string]string{"pw": "s3cret"})
	for _, name := range []string{"My_Project", "my_project", "My-Project", "x.", strings.Repeat("a", 64)} {
		code, _, talk := call(t, "secret", "set", name, "--from-file", "pw")
		if code != 2 || !strings.Contains(talk, "cannot be the name of a Secret") {
			t.Errorf("%s: exit code %d: %s", name, code, talk)
		}
	}
	if code, _, talk := call(t, "secret", "set", "My_Project", "--from-file", "pw"); !strings.Contains(talk, "such as my-project") {
		t.Errorf("exit code %d: %s", code, talk)
	}
	if code, _, talk := call(t, "secret", "set", "my-project", "--from-file", "pw"); code != 0 {
		t.Fatal(talk)
	}
	code, out, talk := call(t, "run", "job", "--image", "busybox:1.37", "--use-secret", "my-project", "--dry-run=client", "-o", "yaml", "--", "env")
	if code != 0 || !strings.Contains(out, "secretName: my-project\n") || !strings.Contains(out, "prefix: "+workload.VariableName("my-project", "")) {
		t.Errorf("exit code %d: %s\n%s", code, talk, out)
	}
}

// TestAMistypedPathIsNeverASecretsValue, nor is it repeated: it may have been meant as one.
func TestAMistypedPathIsNeverASecretsValue(t *testing.T) {
	w := atHome(t, map[string]string{"pw": "s3cret"})
	for _, args := range [][]string{
		{"--from-file", "password=hunter2"}, {"--from-file", "hunter2"}, {"--from-file", "pw", "--from-file", "x=./hunter2"}, {"--from-dir", "hunter2dir"}, {"hunter2"},
		{"--from-file", "password=hunter2", "--dry-run=client", "-o", "yaml"},
	} {
		code, out, talk := call(t, append([]string{"secret", "set", "db"}, args...)...)
		if code != 2 || strings.Contains(out+talk, "hunter2") && args[0] != "--from-dir" {
			t.Errorf("%v: exit code %d: %s%s", args, code, out, talk)
		}
	}
	code, _, talk := call(t, "run", "job", "--image", "x", "--secret", "db.password=file:hunter2", "--detach", "--", "true")
	if code != 2 || !strings.Contains(talk, "job.with.secrets[0].from.password") {
		t.Errorf("exit code %d: %s", code, talk)
	}
	for path := range w.kube.Objects() {
		if strings.Contains(path, "/secrets/db") || strings.Contains(path, "/jobs/") {
			t.Errorf("%s was made", path)
		}
	}
}

// What is stored is what was given, byte by byte.
func TestSetSecretsHoldWhatWasGiven(t *testing.T) {
	w := atHome(t, map[string]string{"binary": "\x00\xff\n", "text": "line\n"})
	if code, _, talk := call(t, "secret", "set", "db", "--from-file", "binary", "--from-file", "text"); code != 0 {
		t.Fatal(talk)
	}
	var out, talk bytes.Buffer
	if code := run([]string{"secret", "set", "other", "--from-stdin", "k"}, strings.NewReader("a\nb\r\n"), &out, &talk); code != 0 {
		t.Fatal(talk.String())
	}
	stored := func(name string) (values []string) {
		object := w.kube.Objects()["/api/v1/namespaces/default/secrets/"+name]
		for _, key := range []string{"binary", "text", "k"} {
			if value, err := base64.StdEncoding.DecodeString(gjson.Get(object, "data."+key).String()); err == nil && len(value) > 0 {
				values = append(values, string(value))
			}
		}
		return values
	}
	if diff := cmp.Diff([]string{"\x00\xff\n", "line\n"}, stored("db")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a\nb"}, stored("other")); diff != "" {
		t.Error(diff)
	}
}
