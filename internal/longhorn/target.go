package longhorn

import "time"

// Target is a place that backups go to.
type Target struct {
	Meta
	URL          string
	Interval     string // spec.pollInterval
	Available    bool
	LastSyncedAt string // does not move while the target cannot be reached
	Reason       string // why it is not available, in Longhorn's words, one line; empty when it does not say
}

// PollInterval is how often Longhorn reads the target; 0 means never by itself. What cannot be read is Longhorn's default.
func (t Target) PollInterval() time.Duration {
	every, err := time.ParseDuration(t.Interval)
	if err != nil || every < 0 {
		return 5 * time.Minute
	}
	return every
}

// Patience is how old the time of the last reading may be before what was read no longer counts; 0 means any age, because Longhorn does
// not read by itself.
func (t Target) Patience() time.Duration {
	if every := t.PollInterval(); every > 0 {
		return max(3*every, time.Hour)
	}
	return 0
}

func (t *Target) decode(raw []byte) error {
	return decode(raw, &t.Meta, func(key string, value part) {
		switch key {
		case "spec":
			value.each(func(key string, value part) {
				switch key {
				case "backupTargetURL":
					t.URL = value.text()
				case "pollInterval":
					t.Interval = value.text()
				}
			})
		case "status":
			value.each(func(key string, value part) {
				switch key {
				case "available":
					t.Available = value.yes()
				case "lastSyncedAt":
					t.LastSyncedAt = value.text()
				case "conditions":
					value.list(t.condition)
				}
			})
		}
	})
}

func (t *Target) condition(p part) {
	var kind, status, message string
	p.each(func(key string, value part) {
		switch key {
		case "type":
			kind = value.text()
		case "status":
			status = value.text()
		case "message":
			message = value.text()
		}
	})
	if kind == "Unavailable" && status == "True" {
		t.Reason = FirstLine(message)
	}
}

// Setting is one of Longhorn's settings.
type Setting struct {
	Meta
	Value string
}

func (s *Setting) decode(raw []byte) error {
	return decode(raw, &s.Meta, func(key string, value part) {
		if key == "value" {
			s.Value = value.text()
		}
	})
}
