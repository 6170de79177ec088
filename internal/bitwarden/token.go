package bitwarden

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"github.com/google/uuid"
)

// ErrAccessToken says that a text does not have the form of a Bitwarden access token.
var ErrAccessToken = errors.New("not a Bitwarden access token (0.<uuid>.<secret>:<base64>)")

// AccessToken is a parsed machine account token. It prints as "[access token]".
type AccessToken struct {
	ID     string // client id: lower case, with dashes
	secret string
	seed   string // as it was written, for hiding it in messages
	key    Key
}

// Format hides the token from every verb of package fmt.
func (AccessToken) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[access token]") }

// ParseAccessToken reads `0.<uuid>.<client secret>:<base64 of 16 bytes>`. White space anywhere is an error: trim what came
// from a file first. Errors are ErrAccessToken with the part that is wrong, never with its content.
func ParseAccessToken(s string) (AccessToken, error) {
	wrong := func(what string) (AccessToken, error) {
		return AccessToken{}, fmt.Errorf("%w: %s", ErrAccessToken, what)
	}
	if strings.ContainsFunc(s, unicode.IsSpace) {
		return wrong("white space in it")
	}
	left, seed64, ok := strings.Cut(s, ":")
	if !ok {
		return wrong("no colon")
	}
	parts := strings.Split(left, ".")
	if len(parts) != 3 {
		return wrong(fmt.Sprintf("%d parts before the colon instead of 3", len(parts)))
	}
	if parts[0] != "0" {
		return wrong("the version is not 0")
	}
	id, err := normalID(parts[1])
	if err != nil {
		return wrong("the client id is not a UUID")
	}
	if parts[2] == "" {
		return wrong("the client secret is empty")
	}
	enc := base64.RawStdEncoding
	if strings.HasSuffix(seed64, "=") {
		enc = base64.StdEncoding
	}
	seed, err := decode64(enc, seed64)
	if err != nil || len(seed) != 16 {
		return wrong("the part after the colon is not base64 of 16 bytes")
	}
	return AccessToken{ID: id, secret: parts[2], seed: seed64, key: TokenKey([16]byte(seed))}, nil
}

// normalID gives a UUID in lower case with dashes. It takes any case, with or without dashes, and no other form.
func normalID(s string) (string, error) {
	if len(s) != 36 && len(s) != 32 {
		return "", errors.New("not a UUID")
	}
	u, err := uuid.Parse(s)
	if err != nil {
		return "", errors.New("not a UUID")
	}
	return u.String(), nil
}
