package detect

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"plan/internal/printable"
)

const maxDockerfile = 1 << 20 // bytes

// directive is a comment at the top that the builder reads, such as "# escape=`".
var directive = regexp.MustCompile(`^\s*#\s*([A-Za-z]+)\s*=\s*(.+?)\s*$`)

// isDockerfileName says whether a file of this name is a Dockerfile to everybody, whatever else the name could be.
func isDockerfileName(arg string) bool {
	base := strings.ToLower(filepath.Base(arg))
	return strings.Contains(base, "dockerfile") || strings.Contains(base, "containerfile")
}

// checkDockerfile says why a file is not a Dockerfile: one has a FROM, and nothing but ARG before the first.
func checkDockerfile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return errors.Unwrap(err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxDockerfile+1))
	switch {
	case err != nil:
		return errors.Unwrap(err)
	case len(raw) > maxDockerfile:
		return errors.New("it is over 1 MiB")
	case bytes.IndexByte(raw, 0) >= 0 || !utf8.Valid(raw):
		return errors.New("it is not text")
	}
	return checkInstructions(strings.TrimPrefix(string(raw), "\ufeff"))
}

func checkInstructions(text string) error {
	escape, top, goesOn := `\`, true, false
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if m := directive.FindStringSubmatch(line); top && m != nil {
			if strings.EqualFold(m[1], "escape") {
				escape = m[2]
			}
			continue
		}
		top = false
		if line == "" || line[0] == '#' {
			continue
		}
		first := !goesOn
		goesOn = strings.HasSuffix(line, escape)
		if !first {
			continue
		}
		word := strings.Fields(line)
		switch {
		case strings.EqualFold(word[0], "FROM") && len(word) > 1:
			return nil
		case !strings.EqualFold(word[0], "ARG"):
			return fmt.Errorf(`line %d begins with "%s", and a Dockerfile begins with FROM or ARG`, i+1, printable.String(short(word[0])))
		}
	}
	return errors.New("it has no FROM")
}

func short(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
