package gitrepo

import (
	"crypto/ed25519"
	"encoding/pem"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"plan/internal/errclass"
)

// newKey gives a private key in PEM form, encrypted if there is a passphrase.
func newKey(t testing.TB, passphrase string) (string, ssh.PublicKey) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), key
}

func TestCheck(t *testing.T) {
	plain, _ := newKey(t, "")
	locked, _ := newKey(t, "geheim")
	pinned := strings.Repeat("a", 40)
	for name, tc := range map[string]struct {
		url, ref string
		o        Options
		want     string // "" is allowed
	}{
		"https":                         {"https://h/a", "", Options{}, ""},
		"https, token":                  {"https://h/a", "main", Options{Password: "geheim"}, ""},
		"https, user alone":             {"https://h/a", "", Options{Username: "u"}, "no password"},
		"https, key":                    {"https://h/a", "", Options{SSHKey: plain}, "are for ssh"},
		"https, known hosts":            {"https://h/a", "", Options{KnownHosts: "x"}, "are for ssh"},
		"https, user with colon":        {"https://h/a", "", Options{Username: "a:b", Password: "geheim"}, `":"`},
		"https, password with line":     {"https://h/a", "", Options{Password: "geheim\n"}, "line break"},
		"bad ref":                       {"https://h/a", "--x", Options{}, "as an option"},
		"path":                          {"https://h/a", "", Options{Path: "a/b"}, ""},
		"path above":                    {"https://h/a", "", Options{Path: "../b"}, "no path of a folder"},
		"path absolute":                 {"https://h/a", "", Options{Path: "/b"}, "no path of a folder"},
		"path with NUL":                 {"https://h/a", "", Options{Path: "a\x00"}, "no path of a folder"},
		"http":                          {"http://h/a", "main", Options{}, "or set insecure"},
		"http, pinned":                  {"http://h/a", pinned, Options{}, ""},
		"http, pinned, token":           {"http://h/a", pinned, Options{Password: "geheim"}, "show the credentials"},
		"http, insecure":                {"http://h/a", "main", Options{Insecure: true, Password: "geheim"}, ""},
		"http, this machine":            {"http://localhost:3000/a", "", Options{Password: "geheim"}, ""},
		"http, this machine, address":   {"http://[::1]:3000/a", "", Options{}, ""},
		"http, looks like this machine": {"http://localhost.evil.example/a", "", Options{}, "can be exchanged"},
		"http, 127.0.0.1.evil.example":  {"http://127.0.0.1.evil.example/a", "", Options{}, "can be exchanged"},
		"git":                           {"git://h/a", "main", Options{}, "can be exchanged"},
		"git, pinned":                   {"git://h/a", pinned, Options{}, ""},
		"git, token":                    {"git://h/a", pinned, Options{Password: "geheim"}, "no credentials"},
		"git, insecure changes nothing": {"git://h/a", "main", Options{Insecure: true}, "are for https"},
		"ssh":                           {"git@h:a", "main", Options{}, ""},
		"ssh, key":                      {"git@h:a", "main", Options{SSHKey: plain}, ""},
		"ssh, encrypted key":            {"git@h:a", "main", Options{SSHKey: locked, Passphrase: "geheim"}, ""},
		"ssh, passphrase missing":       {"git@h:a", "main", Options{SSHKey: locked}, "give its passphrase"},
		"ssh, passphrase wrong":         {"git@h:a", "main", Options{SSHKey: locked, Passphrase: "geheim2"}, "does not open"},
		"ssh, passphrase alone":         {"git@h:a", "main", Options{Passphrase: "geheim"}, "no sshKey"},
		"ssh, no key":                   {"git@h:a", "main", Options{SSHKey: "geheim"}, "no private key"},
		"ssh, token":                    {"git@h:a", "main", Options{Password: "geheim"}, "are for https"},
		"ssh, insecure changes nothing": {"git@h:a", "main", Options{Insecure: true}, "are for https"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.o.Check(address(t, tc.url), tc.ref)
			switch {
			case tc.want == "":
				if err != nil {
					t.Fatal(err)
				}
				return
			case err == nil || !strings.Contains(err.Error(), tc.want):
				t.Fatalf("%v does not say %q", err, tc.want)
			case strings.Contains(err.Error(), "geheim"):
				t.Errorf("the error shows the secret: %v", err)
			case errclass.Classify(err).Class != errclass.Final || errclass.Classify(err).Kind != errclass.Invalid:
				t.Errorf("%v is %+v", err, errclass.Classify(err))
			}
			if _, err := Resolve(t.Context(), address(t, tc.url), tc.ref, tc.o); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Resolve: %v", err)
			}
		})
	}
	if err := (Options{}).Check(URL{}, ""); err == nil {
		t.Error("no URL is taken")
	}
}

func TestAFullCommitIsTakenWithoutAsking(t *testing.T) {
	for _, id := range []string{strings.Repeat("aB", 20), strings.Repeat("0F", 32)} {
		got, err := Resolve(t.Context(), address(t, "https://nowhere.invalid/a"), id, Options{})
		if err != nil || got != strings.ToLower(id) {
			t.Errorf("Resolve(%s) = %s, %v", id, got, err)
		}
	}
}
