package engine

import (
	"fmt"
	"io"
	"time"
)

// NewRunID makes a run's name, <UTC yyyymmdd-hhmmss>-<6 hex>, from its start and three bytes of random.
func NewRunID(now time.Time, random io.Reader) (string, error) {
	var b [3]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("read random bytes for a run id: %w", err)
	}
	return fmt.Sprintf("%s-%x", now.UTC().Format("20060102-150405"), b), nil
}

// CheckRunID tells what is wrong with a run id. One that passes may be a label's value, a file's name and a part of a key:
// 1 to 63 of a-z, 0-9 and -, beginning and ending with a letter or digit.
func CheckRunID(id string) error {
	if len(id) == 0 || len(id) > 63 {
		return fmt.Errorf("run id %q: has %d characters, allowed are 1 to 63", id, len(id))
	}
	for i := range len(id) {
		switch c := id[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9':
		case c == '-' && i > 0 && i < len(id)-1:
		case c == '-':
			return fmt.Errorf("run id %q: begins or ends with -", id)
		default:
			return fmt.Errorf("run id %q: only a-z, 0-9 and - are allowed", id)
		}
	}
	return nil
}
