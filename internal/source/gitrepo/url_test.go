package gitrepo

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAnyHostIsAHost(t *testing.T) {
	type parts struct{ Host, Address, Path, Name string }
	for in, want := range map[string]parts{
		"https://github.com/a/b":                      {"github.com", "github.com:443", "/a/b", "b"},
		"https://gitlab.com/group/sub/project":        {"gitlab.com", "gitlab.com:443", "/group/sub/project", "project"},
		"https://gitlab.example.com/group/project":    {"gitlab.example.com", "gitlab.example.com:443", "/group/project", "project"},
		"https://github.com.evil.example/a/b.git":     {"github.com.evil.example", "github.com.evil.example:443", "/a/b.git", "b"},
		"https://git.example.com:8443/x.git":          {"git.example.com", "git.example.com:8443", "/x.git", "x"},
		"https://xn--gthub-n4a.com/a/b":               {"xn--gthub-n4a.com", "xn--gthub-n4a.com:443", "/a/b", "b"},
		"https://dev.azure.com/o/My%20Project/_git/r": {"dev.azure.com", "dev.azure.com:443", "/o/My Project/_git/r", "r"},
		"https://h/a%28b%29":                          {"h", "h:443", "/a(b)", "a(b)"},
		"https://h/gruppe/größe":                      {"h", "h:443", "/gruppe/größe", "größe"},
		"https://h/a@b/c=d,e":                         {"h", "h:443", "/a@b/c=d,e", "c=d,e"},
		"https://[2001:db8::1]:444/r":                 {"2001:db8::1", "[2001:db8::1]:444", "/r", "r"},
		"https://127.0.0.1/r":                         {"127.0.0.1", "127.0.0.1:443", "/r", "r"},
		"http://git.svc.cluster.local:3000/a/b":       {"git.svc.cluster.local", "git.svc.cluster.local:3000", "/a/b", "b"},
		"git://git.example.com/r":                     {"git.example.com", "git.example.com:9418", "/r", "r"},
		"ssh://git@h/a/b.git":                         {"h", "h:22", "/a/b.git", "b"},
		"ssh://h/a":                                   {"h", "h:22", "/a", "a"},
		"ssh://me@h:2222/~me/a":                       {"h", "h:2222", "~me/a", "a"},
		"ssh://git@h/a%20b":                           {"h", "h:22", "/a b", "a b"},
		"git@github.com:a/b.git":                      {"github.com", "github.com:22", "a/b.git", "b"},
		"git@gitlab.example.com:group/sub/project":    {"gitlab.example.com", "gitlab.example.com:22", "group/sub/project", "project"},
		"git@h:/srv/git/r.git":                        {"h", "h:22", "/srv/git/r.git", "r"},
		"git@h:~/r":                                   {"h", "h:22", "~/r", "r"},
		"git@h:2222/r":                                {"h", "h:22", "2222/r", "r"},
		"git@[::1]:r":                                 {"::1", "[::1]:22", "r", "r"},
		"git@h:.git":                                  {"h", "h:22", ".git", "h"},
		"APKAEIBAERJR2EXAMPLE@git-codecommit.eu-west-1.amazonaws.com:v1/repos/r": {"git-codecommit.eu-west-1.amazonaws.com",
			"git-codecommit.eu-west-1.amazonaws.com:22", "v1/repos/r", "r"},
	} {
		t.Run(in, func(t *testing.T) {
			u, err := Parse(in)
			if err != nil {
				t.Fatal(err)
			}
			if u.String() != in {
				t.Errorf("String() = %s", u)
			}
			if want := strings.HasSuffix(u.address(), ":22") || strings.HasPrefix(in, "ssh:"); u.SSH() != want {
				t.Errorf("SSH() = %t", u.SSH())
			}
			if diff := cmp.Diff(want, parts{u.Host(), u.address(), u.remotePath(), u.Name()}); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSpellingsOfOneAddressAreEqual(t *testing.T) {
	for in, same := range map[string]string{
		"HTTPS://GitHub.com/a/b/": "https://github.com/a/b",
		"git@GitHub.com:a/b/":     "git@github.com:a/b",
		"SSH://git@H/a":           "ssh://git@h/a",
	} {
		if a, b := address(t, in), address(t, same); a != b {
			t.Errorf("%s is %#v, and %s is %#v", in, a, same, b)
		}
	}
}

func TestHostileAddressesAreRefused(t *testing.T) {
	if n := len(hostile()); n < 80 {
		t.Errorf("%d addresses", n)
	}
	for in, want := range hostile() {
		t.Run(in, func(t *testing.T) {
			u, err := Parse(in)
			switch {
			case err == nil:
				t.Fatalf("Parse = %#v", u)
			case u != URL{}:
				t.Errorf("Parse = %#v beside %v", u, err)
			case !strings.Contains(err.Error(), want):
				t.Errorf("error %q does not say %q", err, want)
			}
			text := err.Error()
			for _, secret := range []string{"geheim", "heim@", "ge/", "ge#"} {
				if strings.Contains(text, secret) {
					t.Errorf("the error shows the secret: %q", text)
				}
			}
			for _, r := range text {
				if r < ' ' || r == '\u202e' || r == '\u200b' {
					t.Errorf("the error has the character %U in it: %q", r, err)
				}
			}
		})
	}
}

// A query and a fragment may hold a token too.
func TestErrorsShowNoSecretOfAnAddress(t *testing.T) {
	for _, in := range []string{"https://h/a?token=geheim", "https://h/a#geheim", "https://user:geheim", "user:geheim@h", "https://geheim@h:x/a",
		"https://user:geheim@h/a?x=geheim", "https://geheim\n@h/a", "https://user:" + strings.Repeat("geheim", 500) + "@h/a", "ssh://git:geheim@-h/a"} {
		if _, err := Parse(in); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("Parse(%q): %v", in, err)
		}
	}
}

// FuzzParse: what is accepted has one reading, which no shell, terminal or option parser takes for something else; and an error shows no
// password.
func FuzzParse(f *testing.F) {
	for in := range hostile() {
		f.Add(in)
	}
	for _, in := range []string{"https://h/a", "ssh://git@h:22/a%20b", "git@h:a/b", "https://[::1]:1/a", "git@[::1]:a", "http://localhost/a/"} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		u, err := Parse(in)
		if err != nil {
			if _, after, ok := strings.Cut(in, "://"); ok {
				if info, _, ok := strings.Cut(after, "@"); ok {
					if _, password, ok := strings.Cut(info, ":"); ok && len(password) > 12 && strings.Contains(err.Error(), password) {
						t.Fatalf("the error shows the password: %v", err)
					}
				}
			}
			return
		}
		again, err := Parse(u.String())
		if err != nil || again != u {
			t.Fatalf("%q is %#v, and %q is %#v, %v", in, u, u.String(), again, err)
		}
		for what, s := range map[string]string{"address": u.String(), "host": u.host, "user": u.user, "path": strings.TrimPrefix(u.remotePath(), "/")} {
			if strings.HasPrefix(s, "-") || strings.ContainsAny(s, "\x00\r\n\t\x1b\\") {
				t.Fatalf("%q has the %s %q", in, what, s)
			}
		}
		if s := u.String(); strings.ContainsAny(s, " $`;&|<>(){}*?!\"'#") {
			t.Fatalf("%q is %q, which has characters of a shell", in, s)
		}
		for part := range strings.SplitSeq(u.remotePath(), "/") {
			if part == ".." || part == "." {
				t.Fatalf("%q has the path %q", in, u.remotePath())
			}
		}
		if u.Host() == "" || u.Name() == "" || strings.Contains(u.Name(), "/") {
			t.Fatalf("%q has the host %q and the name %q", in, u.Host(), u.Name())
		}
	})
}
