package bitwarden

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Secret is one secret, opened. Value never leaves through package fmt, log/slog or encoding/json.
type Secret struct {
	ID, OrganizationID, ProjectID string // lower case UUIDs; ProjectID "" when the secret is in no project
	Key                           string
	Value                         string `json:"-"`
	Note                          string `json:"-"`
	Created, Revised              time.Time
}

// Format prints key and id with every verb of package fmt, never value or note.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "secret "+s.Key+" ("+s.ID+")")
}

// LogValue gives log/slog key and id only.
func (s Secret) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", s.ID), slog.String("key", s.Key))
}

// SecretSummary is what a list tells about a secret: everything but value and note.
type SecretSummary struct {
	ID, OrganizationID, ProjectID string
	Key                           string
	Created, Revised              time.Time
}

// Project is a project the machine account may see.
type Project struct {
	ID, OrganizationID, Name string
	Created, Revised         time.Time
}
