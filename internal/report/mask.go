package report

import (
	"encoding/json"
	"io"
)

// Masked hides values in JSON and leaves it JSON: mask gets each string as it reads and each number, and what it changes becomes a string. Each
// Write has to be whole documents.
func Masked(w io.Writer, mask func(string) string) io.Writer { return &maskedJSON{w, mask} }

type maskedJSON struct {
	w    io.Writer
	mask func(string) string
}

// Write implements io.Writer.
func (m *maskedJSON) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for rest := p; len(rest) > 0; {
		token := rest[:scalar(rest)]
		rest = rest[len(token):]
		out = append(out, m.masked(token)...)
	}
	if _, err := m.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// masked is a token that holds no value.
func (m *maskedJSON) masked(token []byte) []byte {
	text := string(token)
	if token[0] == '"' && json.Unmarshal(token, &text) != nil {
		text = string(token) // half a string, perhaps
	}
	hidden := m.mask(text)
	if hidden == text || len(token) == 1 {
		return token
	}
	quoted, err := marshal(hidden)
	if err != nil {
		return []byte(`"***"`)
	}
	return quoted
}

// scalar is the length of the string or number that data begins with, else 1.
func scalar(data []byte) int {
	end := 1
	switch {
	case data[0] == '"':
		for end < len(data) && data[end] != '"' {
			if data[end] == '\\' {
				end++
			}
			end++
		}
		return min(end+1, len(data))
	case numeric(data[0]):
		for end < len(data) && numeric(data[end]) {
			end++
		}
	}
	return end
}

// numeric: the bytes of a JSON number (RFC 8259 section 6). An e of "true" passes too, alone and harmless.
func numeric(c byte) bool {
	return c >= '0' && c <= '9' || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E'
}
