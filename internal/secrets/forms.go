package secrets

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// forms are the ways a value may turn up in a text. None is shorter than minMasked, some may be equal.
func forms(value string) []string {
	var out []string
	for _, v := range parts(value) {
		out = append(out, v)
		out = append(out, encoded(v)...)
		out = append(out, quoted(v)...)
		out = append(out, escaped(v)...)
	}
	return out
}

// parts are the value, the value without white space around it, and its lines.
func parts(value string) []string {
	all := []string{value, strings.TrimSpace(value)}
	for line := range strings.Lines(value) {
		all = append(all, strings.TrimSpace(line))
	}
	var long []string
	seen := make(map[string]bool)
	for _, p := range all {
		if len(p) >= minMasked && !seen[p] {
			seen[p] = true
			long = append(long, p)
		}
	}
	return long
}

// encoded is v in base64 and hex. Base64 changes at its end when the newline that was cut from the value is still there.
func encoded(v string) []string {
	var out []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		for _, end := range []string{"", "\n", "\r\n"} {
			out = append(out, enc.EncodeToString([]byte(v+end)))
		}
	}
	lower := hex.EncodeToString([]byte(v))
	return append(out, lower, strings.ToUpper(lower))
}

// quoted is v as it stands between the quotes of JSON and of Go.
func quoted(v string) []string {
	inner := func(s string) string { return strings.TrimSuffix(strings.TrimPrefix(s, `"`), `"`) }
	var plain strings.Builder
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // a string always encodes
	html, _ := json.Marshal(v)
	return []string{
		inner(strings.TrimSuffix(plain.String(), "\n")),
		inner(string(html)),
		inner(strconv.Quote(v)),
		inner(strconv.QuoteToASCII(v)),
		strings.ReplaceAll(v, "/", `\/`), // other writers of JSON
	}
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// escaped is v in a URL: as a query value, a path segment, a path and a user name; RFC 3986 section 2.1 allows both cases of hex.
func escaped(v string) []string {
	query := url.QueryEscape(v)
	out := []string{query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(v), (&url.URL{Path: v}).EscapedPath(), url.User(v).String()}
	for _, e := range out[:len(out):len(out)] {
		out = append(out, percent.ReplaceAllStringFunc(e, strings.ToLower))
	}
	return out
}
