// Package gobuild builds the program from a commit so that the same commit gives the same bytes, whoever builds it and where. Releases and
// images are made with it.
package gobuild

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Source is a commit. Its date is the time of everything in archives.
type Source struct {
	ID   string // all digits
	Date time.Time
}

// Short is the commit as `plan version` tells it.
func (s Source) Short() string { return s.ID[:min(12, len(s.ID))] }

// Commit finds a commit of the repository that folder is in.
func Commit(ctx context.Context, folder, revision string) (Source, error) {
	out, err := Output(ctx, folder, nil, "git", "show", "--no-patch", "--format=%H %cI", revision+"^{commit}", "--")
	if err != nil {
		return Source{}, err
	}
	id, date, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		return Source{}, fmt.Errorf("read the date of commit %s: %w", id, err)
	}
	return Source{id, at.UTC()}, nil
}

var version = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$`)

// CheckVersion refuses what could be a flag of the linker or a path.
func CheckVersion(s string) error {
	if !version.MatchString(s) {
		return fmt.Errorf("version %q: letters, digits and .+~- are allowed, 64 of them at most", s)
	}
	return nil
}
