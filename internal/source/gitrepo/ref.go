package gitrepo

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"plan/internal/printable"
)

const maxRef = 250 // bytes; a server keeps a ref in a file

var (
	commitID = regexp.MustCompile(`^(?:[0-9a-fA-F]{40}|[0-9a-fA-F]{64})$`)
	shortID  = regexp.MustCompile(`^[0-9a-fA-F]{7,63}$`)
)

// IsCommit says whether ref is a full commit id: 40 hexadecimal digits, or 64 in a repository with SHA-256.
func IsCommit(ref string) bool { return commitID.MatchString(ref) }

// CheckRef says what keeps ref from being a branch, a tag, a name that begins with refs/, or a full commit id; "" is the server's HEAD.
// The rules are those of git check-ref-format, and that it does not look like an option.
func CheckRef(ref string) error {
	if ref == "" {
		return nil
	}
	if err := checkRef(ref); err != nil {
		return fmt.Errorf(`ref "%s": %w`, printable.String(ref), err)
	}
	return nil
}

func checkRef(ref string) error {
	switch {
	case len(ref) > maxRef:
		return fmt.Errorf("it is %d bytes long, and %d are allowed", len(ref), maxRef)
	case ref[0] == '-':
		return errors.New(`it begins with "-", as an option does`)
	case ref == "@":
		return errors.New(`"@" alone is no name: leave ref out for the server's HEAD`)
	case strings.Contains(ref, ".."), strings.Contains(ref, "@{"), strings.ContainsAny(ref, "~^:"):
		return errors.New("an expression is not looked up: name a branch, a tag, or a full commit id")
	case strings.HasSuffix(ref, "."):
		return errors.New(`it ends with "."`)
	}
	for _, r := range ref {
		switch {
		case printable.Hidden(r) || unicode.IsSpace(r):
			return fmt.Errorf("it has the character %U in it", r)
		case strings.ContainsRune(`?*[\`, r):
			return fmt.Errorf("it has %q in it", r)
		}
	}
	for part := range strings.SplitSeq(ref, "/") {
		switch {
		case part == "":
			return errors.New(`it has an empty part ("/" at an end, or "//")`)
		case part[0] == '.', strings.HasSuffix(part, ".lock"):
			return errors.New(`a part of it begins with "." or ends with ".lock"`)
		}
	}
	return nil
}
