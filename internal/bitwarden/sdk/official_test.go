package sdk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"plan/internal/bitwarden/sdk"
)

// TestOfficialCompiles builds everything with the tag, against a package that has the SDK's names and nothing behind them. It shows that official.go fits
// what the SDK's surface is documented to be, not that it works.
func TestOfficialCompiles(t *testing.T) {
	here, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, more := range map[string]string{
		"go.mod": "\nrequire github.com/bitwarden/sdk-go v1.0.2\nreplace github.com/bitwarden/sdk-go => " + filepath.Join(here, "testdata", "sdk-go") + "\n",
		"go.sum": "",
	} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "=> ../../..", "=> "+filepath.Join(here, "..", "..", ".."))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text+more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "vet", "-mod=mod", "-modfile="+filepath.Join(dir, "go.mod"), "-tags=bitwardensdk", ".", "./bws-get")
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWithoutTheTagItSaysSo(t *testing.T) {
	if _, err := sdk.Official(nil, nil); err == nil || !strings.Contains(err.Error(), "-tags bitwardensdk") {
		t.Errorf("%v", err)
	}
}
