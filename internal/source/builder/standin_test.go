package builder

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// This test binary is docker, podman and buildah as well, when it is called by such a name.
func TestMain(m *testing.M) {
	if name := filepath.Base(os.Args[0]); slices.Contains(builders(), name) {
		os.Exit(standIn(name, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// rule is what a stand-in does when its arguments begin so.
type rule struct {
	On    string // the first arguments, with one blank between them
	Out   string // to stdout
	Err   string // to stderr
	Exit  int
	Files map[string]string // by the flag that names the file
	Hang  bool              // for ever, deaf to SIGTERM, and with a child that is as well
}

// call is what a stand-in was called with.
type call struct {
	Tool string
	Args []string
	Env  []string
}

const folder = "STAND_IN" // the variable that names the folder of rules and calls

func standIn(tool string, args []string) int {
	dir := os.Getenv(folder)
	if os.Getenv("STAND_IN_CHILD") != "" {
		return linger(dir)
	}
	must(record(filepath.Join(dir, "calls"), call{tool, args, os.Environ()}))
	text, err := os.ReadFile(filepath.Join(dir, tool+".json"))
	must(err)
	var rules []rule
	must(json.Unmarshal(text, &rules))
	for _, r := range rules {
		if line := strings.Join(args, " "); line != r.On && !strings.HasPrefix(line, r.On+" ") {
			continue
		}
		for flag, text := range r.Files {
			must(os.WriteFile(args[slices.Index(args, flag)+1], []byte(text), 0o600))
		}
		fmt.Fprint(os.Stdout, r.Out)
		fmt.Fprint(os.Stderr, r.Err)
		if r.Hang {
			return hang()
		}
		return r.Exit
	}
	fmt.Fprintf(os.Stderr, "%s: no rule for %q\n", tool, args)
	return 97
}

func record(file string, c call) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	return json.NewEncoder(f).Encode(c)
}

// hang starts a child that holds a lock and the output, and waits for a signal that does not come.
func hang() int {
	signal.Ignore(syscall.SIGTERM)
	child := exec.Command(os.Args[0])
	child.Args[0] = filepath.Base(os.Args[0])
	child.Path, child.Env, child.Stdout = os.Args[0], append(os.Environ(), "STAND_IN_CHILD=1"), os.Stdout
	must(child.Start())
	time.Sleep(time.Hour)
	return 96
}

// linger takes the lock, tells so and stays.
func linger(dir string) int {
	signal.Ignore(syscall.SIGTERM)
	f, err := os.Create(filepath.Join(dir, "lock"))
	must(err)
	must(syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
	fmt.Println("hanging")
	time.Sleep(time.Hour)
	return 96
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(98)
	}
}

// machine is a PATH with stand-ins on it.
type machine struct {
	t   *testing.T
	dir string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t, t.TempDir()}
	t.Setenv(folder, m.dir)
	t.Setenv("PATH", filepath.Join(m.dir, "bin"))
	t.Setenv("SECRET", "")
	m.do(os.Mkdir(filepath.Join(m.dir, "bin"), 0o700))
	return m
}

func (m *machine) do(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// has puts a builder there.
func (m *machine) has(tool string, rules ...rule) {
	m.t.Helper()
	self, err := os.Executable()
	m.do(err)
	m.do(os.Symlink(self, filepath.Join(m.dir, "bin", tool)))
	text, err := json.Marshal(rules)
	m.do(err)
	m.do(os.WriteFile(filepath.Join(m.dir, tool+".json"), text, 0o600))
}

// calls are those of the builders, one line each, where paths of this run have names.
func (m *machine) calls(names ...string) []string {
	m.t.Helper()
	var lines []string
	for _, c := range m.raw() {
		line := c.Tool + " " + strings.Join(c.Args, " ")
		for i := 0; i+1 < len(names); i += 2 {
			line = strings.ReplaceAll(line, names[i], names[i+1])
		}
		for _, flag := range []string{"--iidfile", "--digestfile", "--metadata-file"} {
			if at := slices.Index(c.Args, flag); at >= 0 {
				line = strings.ReplaceAll(line, filepath.Dir(c.Args[at+1]), "TMP")
			}
		}
		lines = append(lines, line)
	}
	return lines
}

func (m *machine) raw() []call {
	m.t.Helper()
	f, err := os.Open(filepath.Join(m.dir, "calls"))
	if os.IsNotExist(err) {
		return nil
	}
	m.do(err)
	defer f.Close()
	var all []call
	for d := json.NewDecoder(f); d.More(); {
		var c call
		m.do(d.Decode(&c))
		all = append(all, c)
	}
	return all
}

// source is a folder with a Dockerfile, whose names are as awkward as they may be.
func source(t *testing.T) (dockerfile, context string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "-a b;$(c)")
	if err := os.MkdirAll(filepath.Join(dir, "ctx"), 0o700); err != nil {
		t.Fatal(err)
	}
	dockerfile = filepath.Join(dir, "--Docker file")
	if err := os.WriteFile(dockerfile, []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dockerfile, filepath.Join(dir, "ctx")
}

const (
	id     = "sha256:1111111111112222222222222222222222222222222222222222222222222222"
	digest = "sha256:9999999999992222222222222222222222222222222222222222222222222222"
	repo   = "registry.example.net/team/app"
)

// engine are the answers of a docker that is well.
func engine(buildx bool) []rule {
	rules := []rule{{On: "--version", Out: "Docker version 28.2.2, build e6534b4\n"}, {On: "version", Out: "20.10.24\n"}}
	if buildx {
		return append(rules, rule{On: "buildx version", Out: "github.com/docker/buildx v0.30.1 9e66234\n"})
	}
	return append(rules, rule{On: "buildx version", Err: "docker: unknown command: docker buildx\n", Exit: 1})
}
