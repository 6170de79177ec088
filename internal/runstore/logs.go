package runstore

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// What is kept of the logs of pods: the end of each, and in a cluster so much of a run in all.
const (
	MaxLog  = 64 << 10
	maxLogs = 700 << 10
)

// Log is the end of a pod's log.
type Log struct {
	Of      string // the step or instance: report[region=eu]
	Attempt int
	Name    string // of the pod
	Time    time.Time
	Data    []byte
}

// LogKeeper keeps the logs of pods with a run. Several goroutines may use it.
type LogKeeper interface {
	// Keep keeps the last MaxLog bytes of Data, from the beginning of a line on, in place of what was kept under the same name of the same
	// attempt. It waits for no server.
	Keep(l Log) error
	// Close waits until all is kept, at most until ctx ends, and tells what is not.
	Close(ctx context.Context) error
}

// tail is the end of a log that is kept. What begins in the middle of a line might be the end of a value that nobody recognizes.
func tail(data []byte) []byte {
	if len(data) <= MaxLog {
		return data
	}
	end := data[len(data)-MaxLog:]
	if data[len(data)-MaxLog-1] == '\n' {
		return end
	}
	_, end, _ = bytes.Cut(end, []byte("\n"))
	return end
}

// check refuses what has no name.
func (l *Log) check() error {
	if l.Of == "" || l.Name == "" || l.Attempt < 1 {
		return fmt.Errorf("keep log %q of %q, attempt %d: it has to have a name, a step and an attempt from 1", l.Name, l.Of, l.Attempt)
	}
	return nil
}

// oldestFirst sorts logs by when they were kept.
func oldestFirst(logs []Log) {
	slices.SortFunc(logs, func(a, b Log) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Of, b.Of), cmp.Compare(a.Attempt, b.Attempt), cmp.Compare(a.Name, b.Name))
	})
}

// maxFileName is how long a name may be in a file's name, in bytes; what is longer ends in a hash.
const maxFileName = 200

// fileName is a name with which nothing but a file can be meant: letters, digits and -_=,[]. stay, but for a dot at the beginning; all
// else is %XX.
func fileName(name string) string {
	var b strings.Builder
	for i, c := range []byte(name) {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_=,[]", c) >= 0 || c == '.' && i > 0
		if plain {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	if b.Len() <= maxFileName {
		return b.String()
	}
	sum := sha256.Sum256([]byte(name))
	return b.String()[:maxFileName-17] + "~" + hex.EncodeToString(sum[:8])
}

var errNoName = errors.New("not the name of a kept log")

// nameOf is what fileName was made of; of a name that was too long it is the file's.
func nameOf(file string) (string, error) {
	if strings.Contains(file, "~") {
		return file, nil
	}
	name, err := url.PathUnescape(file)
	if err != nil || name == "" || name[0] == '.' && file[0] == '.' {
		return "", errNoName
	}
	return name, nil
}
