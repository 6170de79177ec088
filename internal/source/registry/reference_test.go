package registry

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"pgregory.net/rapid"
)

const aDigest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestImagesAreReadAsRuntimesReadThem(t *testing.T) {
	for in, want := range map[string]struct {
		registry string
		floating bool
		digest   string
	}{
		"alpine":                           {"docker.io", true, ""},
		"alpine:latest":                    {"docker.io", true, ""},
		"python:3.13-slim":                 {"docker.io", false, ""},
		"team/app":                         {"docker.io", true, ""},
		"docker.io/library/alpine:3":       {"docker.io", false, ""},
		"index.docker.io/library/alpine:3": {"docker.io", false, ""},
		"localhost/app:1":                  {"localhost", false, ""},
		"localhost:5000/app":               {"localhost:5000", true, ""},
		"registry.example.net:5000/a/b__c/d--e.f_g:V1_x.y-z": {"registry.example.net:5000", false, ""},
		"[::1]:5000/app:1":                     {"[::1]:5000", false, ""},
		"ghcr.io/a/b@" + aDigest:               {"ghcr.io", false, aDigest},
		"ghcr.io/a/b:latest@" + aDigest:        {"ghcr.io", false, aDigest},
		"registry.example.net:5000":            {"docker.io", false, ""}, // a repository with a tag, as everywhere
		strings.Repeat("a", 255):               {"docker.io", true, ""},
		"a:" + strings.Repeat("t", 128):        {"docker.io", false, ""},
		"xn--bcher-kva.example/app@" + aDigest: {"xn--bcher-kva.example", false, aDigest},
	} {
		t.Run(in, func(t *testing.T) {
			i, err := ParseImage(in)
			if err != nil {
				t.Fatal(err)
			}
			if i.String() != in || i.Registry() != want.registry || i.Floating() != want.floating || i.Digest() != want.digest {
				t.Errorf("got %q at %q, floating %v, digest %q", i, i.Registry(), i.Floating(), i.Digest())
			}
			if _, err := name.ParseReference(in); err != nil {
				t.Errorf("go-containerregistry does not read it: %v", err)
			}
		})
	}
}

// wrong are references that are none, and what is said of them.
func wrong() map[string]string {
	return map[string]string{
		"":                                "it is empty",
		" alpine":                         "blanks",
		"alpine\n":                        "control characters",
		"alp\u202eine":                    "control characters",
		"-v":                              "begins with a dash",
		"https://ghcr.io/a/b":             "it is a URL",
		"docker://alpine":                 "it is a URL",
		"Alpine":                          `write "alpine"`,
		"ghcr.io/Team/app":                `write "team"`,
		"ghcr.io//app":                    "a part of its path is empty",
		"ghcr.io/app/":                    "a part of its path is empty",
		"/app":                            "a part of its path is empty",
		"a..b":                            `"a..b"`,
		"a___b":                           `"a___b"`,
		"a-_b":                            `"a-_b"`,
		"-a/b":                            "dash",
		"a/-b":                            `"-b"`,
		"a/b_":                            `"b_"`,
		"a/b+c":                           `"b+c"`,
		"app:":                            "tag after the colon is missing",
		"app:.1":                          `tag ".1"`,
		"app:-1":                          `tag "-1"`,
		"app:a b":                         "blanks",
		"app:a/b":                         "port",
		"app:a:b":                         `"app:a"`,
		"app:" + strings.Repeat("t", 129): "129 characters",
		strings.Repeat("a", 256):          "256 characters",
		"host:0/app":                      "port",
		"host:65536/app":                  "port",
		"host:/app":                       "port",
		"ho_st.example/app":               "not a host name",
		"-host.example/app":               "dash",
		"host..example/app":               "not a host name",
		"[::g]:1/app":                     "IPv6",
		"[::1/app":                        "IPv6",
		"app@sha256:12":                   "not sha256: and 64",
		"app@" + strings.ToUpper(aDigest): "not a digest",
		"app@" + aDigest + "@" + aDigest:  "not sha256: and 64",
		"app@md5:00":                      "not a digest",
		aDigest[7:]:                       "the ID of an image",
		"team@example.net/app":            "user names",
	}
}

func TestWhatIsWrongWithAnImageIsSaid(t *testing.T) {
	for in, want := range wrong() {
		t.Run(in, func(t *testing.T) {
			i, err := ParseImage(in)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("ParseImage(%q) = %v, %v; want %q", in, i, err, want)
			}
		})
	}
}

func TestPasswordsInReferencesAreNotShown(t *testing.T) {
	for _, in := range []string{"https://me:hunter2@ghcr.io/a", "me:hunter2@ghcr.io/a", "hunter2@ghcr.io/a:1", "oci://x/hunter2"} {
		_, err := ParseImage(in)
		_, err2 := ParseRepository(in)
		for _, err := range []error{err, err2} {
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestAPlaceToPushToNamesItsRegistry(t *testing.T) {
	for _, in := range []string{"registry.example.net/team/app", "localhost:5000/app", "docker.io/team/app", "localhost/a"} {
		if r, err := ParseRepository(in); err != nil || r.String() != in {
			t.Errorf("ParseRepository(%q) = %v, %v", in, r, err)
		}
	}
	for in, want := range map[string]string{
		"team/app":               "docker.io/team/app",
		"app":                    "names no registry",
		"ghcr.io/a:1":            "it has a tag",
		"ghcr.io/a@" + aDigest:   "it has a digest",
		"ghcr.io/a:1@" + aDigest: "it has a digest",
		"ghcr.io":                "names no registry",
		"ghcr.io/":               "empty",
		"GHCR.io/A":              "lower case",
		"":                       "empty",
	} {
		if r, err := ParseRepository(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseRepository(%q) = %v, %v; want %q", in, r, err, want)
		}
	}
}

func TestWhatIsAcceptedIsReadBackTheSame(t *testing.T) {
	part := rapid.StringMatching(`[a-z0-9A-Z.:_@/-]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		in := part.Draw(t, "a") + rapid.SampledFrom([]string{"", "/", ":", "@", "@" + aDigest, ".example:5000/"}).Draw(t, "b") + part.Draw(t, "c")
		i, err := ParseImage(in)
		if err != nil {
			return
		}
		ref, err := name.ParseReference(in)
		if err != nil {
			t.Fatalf("%q is accepted, but go-containerregistry says %v", in, err)
		}
		if i.String() != in || hostOr(ref.Context().RegistryStr()) != i.Registry() {
			t.Fatalf("%q is read as %q at %q", in, i, i.Registry())
		}
		if digest, ok := ref.(name.Digest); ok != (i.Digest() != "") || ok && digest.DigestStr() != i.Digest() {
			t.Fatalf("%q has digest %q", in, i.Digest())
		}
	})
}

func TestAnImageIsNamedByDigestInItsRepository(t *testing.T) {
	i, err := ParseImage("ghcr.io/a/b:1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := i.At(aDigest), "ghcr.io/a/b@"+aDigest; got != want {
		t.Errorf("At = %s, want %s", got, want)
	}
}
