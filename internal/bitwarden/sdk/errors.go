package sdk

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"plan/internal/bitwarden"
)

const maxMessage = 300

// jwtShape finds session tokens, which errors of the SDK may hold.
var jwtShape = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*`)

// Error is one of the SDK's, which are mere texts: without secrets, one line, shortened. errors.Is finds what can be guessed from the text.
type Error struct {
	Op, Message string
	cause       error
}

// Error gives what was to be done and the SDK's words.
func (e *Error) Error() string { return e.Op + ": " + e.Message }

// Unwrap gives the guess, nil if there is none.
func (e *Error) Unwrap() error { return e.cause }

// clean takes the token, its parts, sessions and value out of an error. The original is not kept: it would print them.
func (c *Client) clean(op, value string, err error) error {
	text := err.Error()
	parts := strings.FieldsFunc(c.token, func(r rune) bool { return r == '.' || r == ':' })
	for _, secret := range append([]string{c.token, value}, parts...) {
		if len(secret) > 1 { // the first part is a version
			text = strings.ReplaceAll(text, secret, "[hidden]")
		}
	}
	text = jwtShape.ReplaceAllString(text, "[hidden]")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " …"
	}
	return &Error{Op: op, Message: text, cause: guess(text)}
}

// guess names the causes that plan tells apart.
func guess(text string) error {
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "invalid_client"):
		return bitwarden.ErrInvalidClient
	case strings.Contains(lower, "404"), strings.Contains(lower, "not found"):
		return bitwarden.ErrNotFound
	case strings.Contains(lower, "401"), strings.Contains(lower, "unauthorized"):
		return bitwarden.ErrUnauthorized
	}
	return nil
}

// URLs gives the two services behind a server's base URL, as bws does with BWS_SERVER_URL; nil and nil are Bitwarden's US cloud. The SDK
// takes a URL that is none for the US cloud without a word, so that it is an error here.
func URLs(base string) (api, identity *string, err error) {
	base = strings.TrimRight(strings.TrimSpace(base), "/")
	host, isHTTPS := strings.CutPrefix(base, "https://")
	switch {
	case base == "":
		return nil, nil, nil
	case !isHTTPS || host == "" || strings.ContainsAny(host, "@?# "):
		return nil, nil, fmt.Errorf("BWS_SERVER_URL: want https://host, as in https://vault.bitwarden.eu")
	}
	if cloud, ok := strings.CutPrefix(host, "vault."); ok && (cloud == "bitwarden.com" || cloud == "bitwarden.eu") {
		a, i := "https://api."+cloud, "https://identity."+cloud
		return &a, &i, nil
	}
	a, i := base+"/api", base+"/identity"
	return &a, &i, nil
}
