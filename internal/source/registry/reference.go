// Package registry speaks with container registries, without a container engine: it checks image references, resolves tags to
// digests, and pushes a base image with one layer of files on top of it.
package registry

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"plan/internal/printable"
)

const (
	dockerHub  = "docker.io"
	maxPath    = 255 // bytes of a repository's path
	maxTag     = 128 // bytes
	sha256Name = "sha256:"
	sha256Len  = 64 // hexadecimal digits
)

// Image is a checked image reference. The zero value is none.
type Image struct {
	host, path  string // host is "" where the reference names none
	tag, digest string // "" where the reference has none
}

// ParseImage checks a reference to an image, [HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST], by the rules that container runtimes have.
// The error says what is wrong with it, and shows it unless it may hold a password.
func ParseImage(s string) (Image, error) {
	i, err := parse(s)
	if err != nil {
		return Image{}, refuse("image", s, err)
	}
	return i, nil
}

// String is the reference as it was written.
func (i Image) String() string {
	s := i.repository()
	if i.tag != "" {
		s += ":" + i.tag
	}
	if i.digest != "" {
		s += "@" + i.digest
	}
	return s
}

// Floating says that the reference may be another image tomorrow without anybody having meant it: no digest, and no tag but "latest".
func (i Image) Floating() bool { return i.digest == "" && (i.tag == "" || i.tag == name.DefaultTag) }

// Digest is the digest in the reference, "sha256:" and 64 hexadecimal digits; "" if it has none.
func (i Image) Digest() string { return i.digest }

// Registry is the host (with its port) that has the image, docker.io where the reference names none.
func (i Image) Registry() string { return hostOr(i.host) }

// At is the image of that digest in the same repository, "REPOSITORY@sha256:…".
func (i Image) At(digest string) string { return i.repository() + "@" + digest }

func (i Image) repository() string {
	if i.host == "" {
		return i.path
	}
	return i.host + "/" + i.path
}

// Repository is a checked place to push to. The zero value is none.
type Repository struct {
	host, path string
}

// ParseRepository checks a place to push to, HOST[:PORT]/PATH. The host must be written out, so that nothing goes to Docker Hub
// by accident, and it must have neither a tag nor a digest.
func ParseRepository(s string) (Repository, error) {
	i, err := parse(s)
	switch {
	case err != nil:
	case i.digest != "":
		err = fmt.Errorf("it has a digest, which only what is pushed gets: write %s", i.repository())
	case i.tag != "":
		err = fmt.Errorf("it has a tag, but tags are made here: write %s", i.repository())
	case i.host == "":
		err = fmt.Errorf("it names no registry: write HOST/%s (for Docker Hub %s/%s)", i.path, dockerHub, i.path)
	}
	if err != nil {
		return Repository{}, refuse("repository", s, err)
	}
	return Repository{i.host, i.path}, nil
}

// String is the repository as it was written.
func (r Repository) String() string { return r.host + "/" + r.path }

// Registry is the host, with its port.
func (r Repository) Registry() string { return hostOr(r.host) }

func hostOr(host string) string {
	if host == "" || host == name.DefaultRegistry {
		return dockerHub
	}
	return host
}

// refuse shows the text, but not if somebody may have put a password into it.
func refuse(what, s string, err error) error {
	if strings.Contains(s, "://") || strings.Contains(s, "@") && !strings.Contains(s, "@"+sha256Name) {
		return fmt.Errorf("%s reference: %w", what, err)
	}
	return fmt.Errorf("%s reference %q: %w", what, printable.String(s), err)
}

func parse(s string) (Image, error) {
	if err := plausible(s); err != nil {
		return Image{}, err
	}
	var i Image
	rest, digest, has := strings.Cut(s, "@")
	if has {
		if err := checkDigest(digest); err != nil {
			return Image{}, err
		}
		i.digest = digest
	}
	if at := strings.LastIndexByte(rest, ':'); at > strings.LastIndexByte(rest, '/') {
		i.tag, rest = rest[at+1:], rest[:at]
		if err := checkTag(i.tag); err != nil {
			return Image{}, err
		}
	}
	i.path = rest
	if first, after, ok := strings.Cut(rest, "/"); ok && (first == "localhost" || strings.ContainsAny(first, ".:")) {
		i.host, i.path = first, after
		if err := checkHost(i.host); err != nil {
			return Image{}, err
		}
	}
	return i, checkPath(i.path)
}

// plausible refuses what is surely something else.
func plausible(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("it is empty")
	case strings.Contains(s, "://"):
		return fmt.Errorf("it is a URL: leave out the scheme, as in registry.example.net/team/app:1.2")
	case strings.ContainsFunc(s, printable.Hidden) || strings.ContainsAny(s, " \t"):
		return fmt.Errorf("it has blanks or control characters")
	case strings.HasPrefix(s, "-"):
		return fmt.Errorf("it begins with a dash, as a flag does")
	}
	return nil
}

func checkDigest(s string) error {
	hex, ok := strings.CutPrefix(s, sha256Name)
	if !ok {
		return fmt.Errorf("what follows @ is not a digest (sha256: and %d hexadecimal digits); user names and passwords have no place here", sha256Len)
	}
	if len(hex) != sha256Len || strings.Trim(hex, "0123456789abcdef") != "" {
		return fmt.Errorf("its digest is not sha256: and %d hexadecimal digits in lower case", sha256Len)
	}
	return nil
}

func checkTag(s string) error {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	switch {
	case s == "":
		return fmt.Errorf("the tag after the colon is missing")
	case len(s) > maxTag:
		return fmt.Errorf("its tag has %d characters, the limit is %d", len(s), maxTag)
	case strings.Trim(s, letters+".-") != "" || strings.ContainsAny(s[:1], ".-"):
		return fmt.Errorf("tag %q: letters, digits, and _ . - behind the first", s)
	}
	return nil
}

func checkHost(s string) error {
	host, port, has := s, "", false
	if at := strings.LastIndexByte(s, ':'); at > strings.LastIndexByte(s, ']') {
		host, port, has = s[:at], s[at+1:], true
	}
	if n, err := strconv.ParseUint(port, 10, 16); has && (err != nil || n == 0) {
		return fmt.Errorf("registry %q: its port is not a number from 1 to 65535", s)
	}
	if inner, ok := strings.CutPrefix(host, "["); ok {
		if a, err := netip.ParseAddr(strings.TrimSuffix(inner, "]")); err != nil || !a.Is6() || a.Zone() != "" || !strings.HasSuffix(inner, "]") {
			return fmt.Errorf("registry %q: what stands in brackets is no IPv6 address", s)
		}
		return nil
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || strings.Trim(label, letters+"-") != "" || strings.Trim(label, "-") != label {
			return fmt.Errorf("registry %q: not a host name", s)
		}
	}
	return nil
}

func checkPath(s string) error {
	if len(s) > maxPath {
		return fmt.Errorf("its path has %d characters, the limit is %d", len(s), maxPath)
	}
	for part := range strings.SplitSeq(s, "/") {
		switch {
		case part == "":
			return fmt.Errorf("a part of its path is empty")
		case strings.ToLower(part) != part:
			return fmt.Errorf("%q has capitals, and repositories are in lower case: write %q", part, strings.ToLower(part))
		case !isComponent(part):
			return fmt.Errorf("%q: a-z and 0-9, and between them one of . _ __ or dashes", part)
		}
	}
	if len(s) == sha256Len && strings.Trim(s, "0123456789abcdef") == "" {
		return fmt.Errorf("it is the ID of an image, which no registry knows: give a name")
	}
	return nil
}

// isComponent is the grammar of the reference package of Docker: [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*.
func isComponent(s string) bool {
	const alnum = "abcdefghijklmnopqrstuvwxyz0123456789"
	if strings.Trim(s, alnum+"._-") != "" || strings.Trim(s, "._-") != s {
		return false
	}
	between := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(alnum, r) })
	for _, b := range between {
		if b != "." && b != "_" && b != "__" && strings.Trim(b, "-") != "" {
			return false
		}
	}
	return true
}
