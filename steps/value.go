package steps

import (
	"time"

	"plan/internal/secrets"
	"plan/schema"
)

// Value is a field that takes a literal or `from:`. Env.Secret gives its value.
type Value = secrets.Value

// Secret is a field that takes `from:` only.
type Secret = secrets.Secret

// Dur is a duration field: `[Nd][Nh][Nm][Ns][Nms]`.
type Dur time.Duration

// Duration is the field's value.
func (d Dur) Duration() time.Duration { return time.Duration(d) }

// String writes it as a plan would.
func (d Dur) String() string { return schema.FormatDuration(time.Duration(d)) }

// UnmarshalText reads it as a plan writes it.
func (d *Dur) UnmarshalText(text []byte) error {
	parsed, err := schema.ParseDuration(string(text))
	*d = Dur(parsed)
	return err
}
