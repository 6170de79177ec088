package assemble

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

var date = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// made is a program whose binary is a head with parts of the kinds given, and nothing behind it.
func made(t *testing.T, machine elf.Machine, parts ...elf.ProgType) Program {
	t.Helper()
	var b bytes.Buffer
	head := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(parts)),
	}
	if err := binary.Write(&b, binary.LittleEndian, head); err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(p)}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "plan")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return Program{Binary: path, Arch: "arm64", Version: "1.2.3", Commit: "0123456789ab", Date: date}
}

func TestAnImageIsTheProgramAndHowItIsRun(t *testing.T) {
	image, err := Image(made(t, elf.EM_AARCH64, elf.PT_LOAD), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	got, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	created := v1.Time{Time: date}
	want := &v1.ConfigFile{
		Architecture: "arm64", OS: "linux", Created: created, RootFS: got.RootFS,
		History: []v1.History{{Created: created, CreatedBy: "make image"}},
		Config: v1.Config{
			User: "65532:65532", WorkingDir: "/work", Entrypoint: []string{"/usr/local/bin/plan"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
			Labels: map[string]string{
				"org.opencontainers.image.title": "plan", "org.opencontainers.image.version": "1.2.3", "org.opencontainers.image.revision": "0123456789ab",
				"org.opencontainers.image.description": description,
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	manifest, err := image.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	media := []types.MediaType{manifest.MediaType, manifest.Config.MediaType, manifest.Layers[0].MediaType}
	if diff := cmp.Diff([]types.MediaType{types.OCIManifestSchema1, types.OCIConfigJSON, types.OCILayer}, media); diff != "" || len(manifest.Layers) != 1 {
		t.Errorf("%d layers, media types (-want +got):\n%s", len(manifest.Layers), diff)
	}
	if got := manifest.Annotations["org.opencontainers.image.created"]; got != "2026-03-04T05:06:07Z" {
		t.Errorf("it was created %q", got)
	}
}

func TestTheOnlyFileIsTheProgram(t *testing.T) {
	image, err := Image(made(t, elf.EM_AARCH64, elf.PT_LOAD), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	in, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	var got []string
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || !h.ModTime.Equal(date) {
			t.Errorf("%s is of %d:%d, %s", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		got = append(got, h.FileInfo().Mode().String()+" "+h.Name)
	}
	want := []string{
		"dtrwxrwxrwx tmp/", "drwxr-xr-x usr/", "drwxr-xr-x usr/local/", "drwxr-xr-x usr/local/bin/", "-rwxr-xr-x usr/local/bin/plan", "drwxr-xr-x work/",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestTheImageIsAFunctionOfTheProgram(t *testing.T) {
	first := made(t, elf.EM_AARCH64, elf.PT_LOAD)
	seen := map[v1.Hash]string{}
	for name, change := range map[string]func(p *Program){
		"as it is": func(*Program) {}, "version": func(p *Program) { p.Version = "1.2.4" }, "commit": func(p *Program) { p.Commit = "0" },
		"date": func(p *Program) { p.Date = date.Add(time.Second) }, "binary": func(p *Program) { p.Binary = made(t, elf.EM_AARCH64).Binary },
	} {
		p := first
		change(&p)
		for range 2 {
			index, err := Index([]Program{p}, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			digest, err := index.Digest()
			if err != nil {
				t.Fatal(err)
			}
			if other, ok := seen[digest]; ok && other != name {
				t.Errorf("%s and %s are the same image", name, other)
			}
			seen[digest] = name
		}
	}
	if len(seen) != 5 {
		t.Errorf("5 programs are %d images", len(seen))
	}
}

func TestWhatTheImageCouldNotRunIsRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "plan")
	if err := os.WriteFile(text, []byte("#!/bin/sh\necho plan 1.2.3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		program Program
		want    string
	}{
		"a loader":             {made(t, elf.EM_AARCH64, elf.PT_LOAD, elf.PT_INTERP), "CGO_ENABLED=0"},
		"libraries":            {made(t, elf.EM_AARCH64, elf.PT_LOAD, elf.PT_DYNAMIC), "CGO_ENABLED=0"},
		"another architecture": {made(t, elf.EM_X86_64, elf.PT_LOAD), "not for arm64"},
		"a script":             {Program{Binary: text, Arch: "arm64"}, "bad magic number"},
		"nothing":              {Program{Binary: text + "2", Arch: "arm64"}, "no such file"},
		"an unknown machine":   {Program{Binary: made(t, elf.EM_RISCV).Binary, Arch: "riscv64"}, "not for riscv64"},
	} {
		if _, err := Image(c.program, t.TempDir()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error %v does not say %q", name, err, c.want)
		}
	}
}

// TestTheDockerfileSaysTheSame reads its last stage. What Docker makes of it is compared in the lab.
func TestTheDockerfileSaysTheSame(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	stages := strings.Split(strings.ReplaceAll(string(data), "\\\n", " "), "\nFROM ")
	p := Program{Version: "${VERSION}", Commit: "${COMMIT}"}
	want, got := p.config(), v1.Config{Labels: map[string]string{}}
	for line := range strings.Lines(stages[len(stages)-1]) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "USER":
			got.User = rest
		case "WORKDIR":
			got.WorkingDir = rest
		case "ENV":
			got.Env = append(got.Env, rest)
		case "ENTRYPOINT":
			if err := json.Unmarshal([]byte(rest), &got.Entrypoint); err != nil {
				t.Fatal(err)
			}
		case "LABEL":
			for pair := range strings.SplitSeq(strings.TrimSuffix(rest, `"`), `" `) {
				key, value, _ := strings.Cut(strings.TrimSpace(pair), `="`)
				got.Labels[key] = value
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-make image +Dockerfile):\n%s", diff)
	}
}
