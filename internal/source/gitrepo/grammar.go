package gitrepo

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"plan/internal/printable"
)

// checkText refuses what no part of an address may have.
func checkText(s string) error {
	switch {
	case s == "":
		return errors.New("it is empty")
	case len(s) > maxURL:
		return fmt.Errorf("it is %d bytes long, and %d are allowed", len(s), maxURL)
	case !utf8.ValidString(s):
		return errors.New("it is not UTF-8")
	case s[0] == '-':
		return errors.New(`it begins with "-", as an option does`)
	}
	if before, _, found := strings.Cut(s, "::"); found && isScheme(before) {
		return fmt.Errorf("%s:: names a transport helper, which is a program to run: write https:// or ssh://", before)
	}
	for _, r := range s {
		switch {
		case r == ' ':
			return errors.New("it has a blank in it: write %20 if the path has one")
		case printable.Hidden(r) || unicode.IsSpace(r):
			return fmt.Errorf("it has the invisible character %U in it", r)
		case r == '\\':
			return errors.New(`it has a "\" in it: parts of a path are joined by "/"`)
		case r == '?':
			return errors.New("it has a query in it (?…)")
		case r == '#':
			return errors.New("it has a fragment in it (#…): a branch, tag or commit is named by ref")
		}
	}
	return nil
}

// isScheme says whether s could stand before "://".
func isScheme(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !isASCIILetter(r) && !isDigit(r) && !strings.ContainsRune("+.-_", r)
	})
}

func isASCIILetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' && r < utf8.RuneSelf }

func checkScheme(scheme string) error {
	switch scheme {
	case "https", "http", "ssh", "git":
		return nil
	case "file":
		return errors.New("files of this machine are a directory source: name the folder")
	case "git+ssh", "ssh+git":
		return errors.New("write ssh:// for this scheme")
	case "git+https", "git+http":
		return fmt.Errorf("write %s:// for this scheme", strings.TrimPrefix(scheme, "git+"))
	}
	return fmt.Errorf("%s:// is no way to a git repository here: write https:// or ssh://", scheme)
}

// errNoForm says what is wrong with an address that has neither a scheme nor the form user@host:path.
func errNoForm(s string) error {
	switch {
	case strings.HasPrefix(s, "/"), strings.HasPrefix(s, "."), strings.HasPrefix(s, "~"):
		return errors.New("it is a path of this machine: that is a directory source")
	case strings.HasPrefix(s, "://"):
		return errors.New("it has no scheme: write https:// or ssh://")
	}
	return errors.New("it is neither scheme://host/path nor user@host:path: write https:// or ssh:// before it")
}

func checkUser(user string) error {
	switch {
	case user == "":
		return errors.New("the user before @ is empty")
	case user[0] == '-':
		return errors.New(`the user begins with "-", as an option does`)
	case len(user) > 128:
		return errors.New("the user is over 128 bytes long")
	case strings.ContainsFunc(user, func(r rune) bool { return !isASCIILetter(r) && !isDigit(r) && !strings.ContainsRune("._+-", r) }):
		return errors.New(`the user has other characters than letters, digits, ".", "_", "+" and "-"`)
	}
	return nil
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// checkHost takes a name as DNS has it, or an IPv4 address. A name with letters beyond ASCII has to be written in the form that DNS has
// (xn--…), so that a look-alike shows.
func checkHost(host string) error {
	if host == "" {
		return errors.New("it has no host")
	}
	if host[0] == '-' {
		return errors.New(`the host begins with "-", as an option does`)
	}
	for _, r := range host {
		switch {
		case r >= utf8.RuneSelf:
			return fmt.Errorf("the host has %q in it: write the name as DNS has it (xn--…)", r)
		case !isASCIILetter(r) && !isDigit(r) && r != '.' && r != '-' && r != '_':
			return fmt.Errorf("the host has %q in it", r)
		}
	}
	if len(host) > 253 {
		return errors.New("the host is over 253 bytes long")
	}
	for label := range strings.SplitSeq(host, ".") {
		switch {
		case label == "":
			return errors.New("the host has an empty part")
		case label[0] == '-':
			return errors.New(`a part of the host begins with "-", as an option does`)
		case len(label) > 63:
			return errors.New("a part of the host is over 63 bytes long")
		}
	}
	return nil
}

// plainPath are the characters besides letters and digits that a path may have as they are. None of them means anything to a shell
// within a word.
const plainPath = "._~+-@=,/"

// checkPath checks the path without its first slash.
func (u URL) checkPath(p string) error {
	if p == "" || p == "/" {
		return errors.New("it has no path: which repository of the host is meant?")
	}
	for _, r := range p {
		if r == '%' && u.scp {
			return errors.New(`the path has a "%" in it, which stands for itself in this form: write ssh://`)
		}
		if r != '%' && !plain(r) {
			return fmt.Errorf("the path has %q in it: write it as %s in an address with a scheme, if the path has it", r, url.PathEscape(string(r)))
		}
	}
	for i, part := range strings.Split(p, "/") {
		decoded, err := url.PathUnescape(part)
		if err != nil {
			return errors.New(`the path has a "%" in it that is not followed by two hexadecimal digits`)
		}
		if err := u.checkPart(decoded); err != nil {
			return err
		}
		if i == 0 && decoded[0] == '-' {
			return errors.New(`the path begins with "-", as an option does`)
		}
	}
	return nil
}

// checkPart checks what stands between two slashes of the path.
func (u URL) checkPart(part string) error {
	switch {
	case part == "":
		return errors.New(`the path has an empty part ("//")`)
	case part == "." || part == "..":
		return fmt.Errorf(`the path has %q as a part`, part)
	case !utf8.ValidString(part):
		return errors.New("the path is not UTF-8 when it is decoded")
	}
	for _, r := range part {
		switch {
		case printable.Hidden(r) || r != ' ' && unicode.IsSpace(r):
			return fmt.Errorf("the path has the invisible character %U in it, encoded", r)
		case r == '/' || r == '\\':
			return fmt.Errorf("the path has an encoded %q in it", r)
		case u.scheme != "https" && u.scheme != "http" && r != ' ' && !plain(r):
			return fmt.Errorf("the path has an encoded %q in it, which a server's shell might read", r)
		}
	}
	return nil
}

func plain(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || strings.ContainsRune(plainPath, r)
}

var digestHex = regexp.MustCompile(`^[0-9a-fA-F]{32,}$`)

// isDigest says whether name@host:path is in truth an image with its digest.
func isDigest(host, path string) bool {
	return (host == "sha256" || host == "sha384" || host == "sha512") && digestHex.MatchString(path)
}

// redacted is an address for an error: quoted and cut, without a query, a fragment and whatever may be a user, a password or a token.
func redacted(s string) string {
	scheme, rest := "", s
	if i := strings.Index(s, "://"); i >= 0 && isScheme(s[:i]) {
		scheme, rest = s[:i+3], s[i+3:]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 && (scheme != "" || strings.Contains(rest[:i], ":")) {
		rest = "***@" + rest[i+1:]
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		rest = rest[:i+1] + "…"
	}
	host, path, slash := strings.Cut(rest, "/")
	if i := strings.LastIndexByte(host, ':'); scheme != "" && i >= 0 && !strings.HasSuffix(host, "]") {
		if _, err := strconv.ParseUint(host[i+1:], 10, 16); err != nil {
			host = "***" // user:password without the rest
		}
	}
	if s = scheme + host; slash {
		s += "/" + path
	}
	const most = 200
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return `"` + printable.String(s) + `"`
}
