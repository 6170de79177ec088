package nodetoken

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

const (
	password = "canary-2f6b:with-colon"
	caHash   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	whole    = "K10" + caHash + "::server:" + password
)

// hash is printf %s canary-2f6b:with-colon | sha256sum | cut -c1-12
const hash = "132b3a1975ee"

func TestParse(t *testing.T) {
	cases := map[string]struct {
		raw    string
		want   string // password
		caHash string
	}{
		"whole":                  {whole, password, caHash},
		"newline at the end":     {whole + "\n", password, caHash},
		"white space around":     {" \t" + whole + "\r\n", password, caHash},
		"upper-case hash":        {"K10" + strings.ToUpper(caHash) + "::server:" + password, password, caHash},
		"bare":                   {password, password, ""},
		"bare with two colons":   {"a::b:c", "a::b:c", ""},
		"empty hash":             {"K10::server:" + password, password, ""},
		"no hash":                {"K10server:" + password, password, ""},
		"no user":                {"K10" + caHash + "::" + ":" + password, password, caHash},
		"password with colons":   {"K10" + caHash + "::server:::a::", "::a::", caHash},
		"not quite kubeadm":      {"abcdef.0123456789abcde", "abcdef.0123456789abcde", ""},
		"kubeadm in upper case":  {"ABCDEF.0123456789ABCDEF", "ABCDEF.0123456789ABCDEF", ""},
		"short bare":             {"x", "x", ""},
		"k10 in lower case":      {"k10x", "k10x", ""},
		"bare with inner blanks": {"two words", "two words", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tc.raw)
			if err != nil {
				t.Fatal(err)
			}
			if got.Password() != tc.want || got.CAHash() != tc.caHash || got.Reveal() != strings.TrimSpace(tc.raw) {
				t.Errorf("password %q, CA %q, whole %q", got.Password(), got.CAHash(), got.Reveal())
			}
		})
	}
}

func TestParseRefusesWhatOpensNoSnapshotAndNeverQuotesIt(t *testing.T) {
	cases := map[string]struct{ raw, says string }{
		"empty":                   {"", "empty"},
		"white space":             {" \n\t", "empty"},
		"kubeadm":                 {"abcdef.0123456789abcdef", "kubeadm"},
		"kubeadm with hash":       {"K10" + caHash + "::abcdef.0123456789abcdef", "kubeadm"},
		"agent":                   {"K10" + caHash + "::node:" + password, "agent"},
		"agent without hash":      {"K10node:" + password, "agent"},
		"empty password":          {"K10" + caHash + "::server:", "password is empty"},
		"no password":             {"K10" + caHash + "::server", "no user and password"},
		"no credentials":          {"K10" + caHash, "no user and password"},
		"nothing after K10":       {"K10", "no user and password"},
		"hash too short":          {"K10" + caHash[1:] + "::server:" + password, "64 hexadecimal"},
		"hash too long":           {"K10" + caHash + "0::server:" + password, "64 hexadecimal"},
		"hash of other letters":   {"K10" + strings.Replace(caHash, "a", "g", 1) + "::server:" + password, "64 hexadecimal"},
		"hash not of one byte":    {"K10" + strings.Repeat("ä", 32) + "::server:" + password, "64 hexadecimal"},
		"two lines":               {password + "\nserver: https://10.0.0.1", "more than one line"},
		"control character":       {password + "\x1b[2J", "control characters"},
		"NUL":                     {password + "\x00", "control characters"},
		"not UTF-8":               {password + "\xff", "not UTF-8"},
		"longer than any token":   {strings.Repeat(password, 400), "longer than"},
		"certificate, not a word": {"-----BEGIN CERTIFICATE-----\nMIIB" + password, "more than one line"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := Parse(tc.raw)
			if !errors.Is(err, ErrToken) || !strings.Contains(err.Error(), tc.says) || got != (Token{}) {
				t.Fatalf("%v, %v; want %q", got, err, tc.says)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "abcdef.") {
				t.Errorf("the error quotes the token: %v", err)
			}
		})
	}
}

func TestHashIsThatOfK3s(t *testing.T) {
	for _, raw := range []string{whole, password, "K10::server:" + password} {
		got, err := Parse(raw)
		if err != nil || got.Hash() != hash {
			t.Errorf("hash %s, %v", got.Hash(), err)
		}
	}
	if (Token{}).Hash() != "" {
		t.Error("the zero token has a hash")
	}
}

// TestTokenIsHidden holds a token against every way of printing it.
func TestTokenIsHidden(t *testing.T) {
	token, err := Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	js, err := json.Marshal(map[string]any{"t": token, "p": &token, "w": Write{Token: token}, "k": Kept{Token: token}})
	if err != nil {
		t.Fatal(err)
	}
	text := string(js)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		text += fmt.Sprintf(verb, token) + fmt.Sprintf(verb, &token) + fmt.Sprintf(verb, []Token{token}) + fmt.Sprintf(verb, map[string]Token{"a": token})
		text += fmt.Sprintf(verb, Write{Token: token}) + fmt.Sprintf(verb, Kept{Token: token})
	}
	for _, form := range []string{"canary", caHash, fmt.Sprintf("%x", "canary"), fmt.Sprintf("%X", "canary")} {
		if strings.Contains(text, form) {
			t.Errorf("%q shows in %s", form, text)
		}
	}
}

func TestParseNeverPanicsAndKeepsThePassword(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.OneOf(rapid.String(), rapid.StringMatching(`(K10)?([0-9a-f]{64})?(::)?(server|node)?:?[ -~]{0,20}`)).Draw(t, "raw")
		got, err := Parse(raw)
		switch {
		case err != nil && (!errors.Is(err, ErrToken) || got != (Token{})):
			t.Fatalf("%v", err)
		case err == nil && (got.Password() == "" || !strings.HasSuffix(got.Reveal(), got.Password()) || len(got.Hash()) != 12):
			t.Fatalf("%q", raw)
		}
		if again, err2 := Parse(got.Reveal()); err == nil && (err2 != nil || again != got) {
			t.Fatalf("%q is not itself again: %v", raw, err2)
		}
	})
}

// server makes a data directory as k3s does.
func server(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "server"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "server/token"), []byte(whole+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestReadFindsTheToken(t *testing.T) {
	dir := server(t)
	link := func(to, name string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	cases := map[string]string{
		"the file":                            filepath.Join(dir, "server/token"),
		"the data directory":                  dir,
		"its folder server":                   filepath.Join(dir, "server"),
		"node-token, absolute":                link(filepath.Join(dir, "server/token"), "server/node-token"),
		"node-token, relative":                link("token", "server/relative"),
		"a link to the data directory":        link(dir, "link"),
		"node-token of a folder mounted here": link("/nowhere/k3s/server/token", "server/mounted"),
	}
	want, err := filepath.EvalSymlinks(filepath.Join(dir, "server/token"))
	if err != nil {
		t.Fatal(err)
	}
	for name, path := range cases {
		t.Run(name, func(t *testing.T) {
			var hidden []string
			got, file, err := Read(path, func(s string) { hidden = append(hidden, s) })
			if err != nil || got.Password() != password {
				t.Fatalf("%v, %v", got, err)
			}
			if strings.Join(hidden, " ") != whole+" "+password {
				t.Errorf("hidden are %d values", len(hidden))
			}
			if real, err := filepath.EvalSymlinks(file); err != nil || real != want {
				t.Errorf("%s was read, %v", file, err)
			}
		})
	}
}

// TestTheFolderOfAPathHasTheToken: whatever path is there, it is in the folder; and that has no more than is needed where the name says what path is.
func TestTheFolderOfAPathHasTheToken(t *testing.T) {
	for path, want := range map[string]struct {
		folder  string
		certain bool
	}{
		K3sFile:                                  {"/var/lib/rancher/k3s/server", true},
		RKE2File:                                 {"/var/lib/rancher/rke2/server", true},
		"/var/lib/rancher/k3s/server/node-token": {"/var/lib/rancher/k3s/server", true},
		"/var/lib/rancher/k3s":                   {"/var/lib/rancher/k3s", true},
		"/data/rke2":                             {"/data/rke2", true},
		"/var/lib/rancher/k3s/server":            {"/var/lib/rancher/k3s/server", true},
		"/var/lib/rancher/k3s/server/":           {"/var/lib/rancher/k3s/server", true},
		"/etc/rancher/k3s/join-secret":           {"/etc/rancher/k3s", false},
		"/etc/rancher/token.txt":                 {"/etc/rancher", false},
		"/srv/tokens":                            {"/srv", false},
		"/srv/tokens/":                           {"/srv/tokens", true},
		"/srv/./x/../tokens//":                   {"/srv/tokens", true},
		"/token":                                 {"/", true},
		"/":                                      {"/", true},
	} {
		if folder, certain := Folder(path); folder != want.folder || certain != want.certain {
			t.Errorf("%s: %s, %t", path, folder, certain)
		}
	}
}

func TestReadSaysWhatIsWrongWithTheFile(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("/nowhere/server/gone", dangling); err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		path, says string
		is         error
	}{
		"not there":         {filepath.Join(dir, "none"), "server nodes only", ErrNoFile},
		"below a file":      {file("f", password) + "/token", "not a directory", syscall.ENOTDIR},
		"folder without":    {dir, "in this folder", ErrNoFile},
		"link to nowhere":   {dangling, "server nodes only", ErrNoFile},
		"empty":             {file("empty", ""), "empty", ErrToken},
		"agent's":           {file("agent", "K10"+caHash+"::node:"+password), "agent", ErrToken},
		"kubeadm":           {file("kubeadm", "abcdef.0123456789abcdef\n"), "kubeadm", ErrToken},
		"a pipe never ends": {pipe, "is no file", ErrToken},
		"something huge":    {file("huge", strings.Repeat(password, 1<<16)), "longer than", ErrToken},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, _, err := Read(tc.path, func(string) {})
			if !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%v, want %q", err, tc.says)
			}
		})
	}
}
