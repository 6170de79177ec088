// Package nodetoken knows the server token of k3s and RKE2: the password that the cluster's certificate authorities and encryption
// keys are encrypted with in every etcd snapshot, so that a snapshot is worth nothing without it. It parses and reads tokens, and
// keeps them in one of three places.
//
// No error, no log line and no form of package fmt of anything here has a token in it.
package nodetoken

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrToken says that a text is no server token. What wraps it tells why and never quotes the text.
var ErrToken = errors.New("not a k3s server token")

const (
	full      = "K10" // what the form with the certificate authority's hash begins with
	caHashLen = 64    // hexadecimal digits of a SHA-256
	hashLen   = 12    // hexadecimal digits of a token hash
	maxLen    = 4096  // bytes; k3s generates about 110
)

// Token is a parsed server token. The zero value is none.
type Token struct {
	raw      string
	caHash   string
	password string
}

// kubeadm is the form of bootstrap tokens, which k3s accepts for joining and cannot decrypt a snapshot with.
var kubeadm = regexp.MustCompile(`\A[a-z0-9]{6}\.[a-z0-9]{16}\z`)

// Parse reads a token as k3s does (pkg/clientaccess, parseToken): white space around it is cut, then it is either
// K10<CA hash>::server:<password> or a bare password. The password may hold colons.
//
// It refuses, each with ErrToken: an empty text or password, a CA hash that is not 64 hexadecimal digits, the kubeadm form,
// an agent's token, and what no token can be: a line break inside, control characters, more than 4 KiB.
func Parse(raw string) (Token, error) {
	t := Token{raw: strings.TrimSpace(raw)}
	if err := plausible(t.raw); err != nil {
		return Token{}, err
	}
	rest, ok := strings.CutPrefix(t.raw, full)
	if !ok {
		if kubeadm.MatchString(t.raw) {
			return Token{}, refuse("it is a kubeadm-style bootstrap token, which can join nodes but not open a snapshot")
		}
		t.password = t.raw
		return t, nil
	}
	credentials := rest
	if hash, after, ok := strings.Cut(rest, "::"); ok {
		if hash != "" && !isHex(hash, caHashLen) {
			return Token{}, refuse("the part between K10 and :: is not a hash of %d hexadecimal digits", caHashLen)
		}
		t.caHash, credentials = strings.ToLower(hash), after
	}
	if kubeadm.MatchString(credentials) {
		return Token{}, refuse("it is a kubeadm-style bootstrap token, which can join nodes but not open a snapshot")
	}
	user, password, ok := strings.Cut(credentials, ":")
	switch {
	case !ok:
		return Token{}, refuse("it begins with K10 and has no user and password divided by a colon")
	case user == "node":
		return Token{}, refuse("it is an agent's token (user node), which cannot open a snapshot: take the server's")
	case password == "":
		return Token{}, refuse("its password is empty")
	}
	t.password = password
	return t, nil
}

// plausible refuses what is surely some other file.
func plausible(s string) error {
	switch {
	case s == "":
		return refuse("it is empty")
	case len(s) > maxLen:
		return refuse("it is longer than %d bytes", maxLen)
	case !utf8.ValidString(s):
		return refuse("it is not UTF-8 text")
	case strings.ContainsFunc(s, unicode.IsControl):
		return refuse("it has more than one line, or control characters")
	}
	return nil
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrToken, fmt.Sprintf(format, args...))
}

func isHex(s string, n int) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == n
}

// Hash is the token hash of k3s (util.GetTokenHash): the first 12 hexadecimal digits of the password's SHA-256. Snapshots carry
// it, and the key of the bootstrap data in etcd is named by it. It does not give the password away. "" for the zero Token.
func (t Token) Hash() string {
	if t.password == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(t.password))
	return hex.EncodeToString(sum[:])[:hashLen]
}

// Reveal is the token as it was written, without white space around it.
func (t Token) Reveal() string { return t.raw }

// Password is the part that bootstrap data is encrypted with.
func (t Token) Password() string { return t.password }

// CAHash is the SHA-256 of the cluster's certificate authority, in hexadecimal digits; "" in a token that does not name one.
func (t Token) CAHash() string { return t.caHash }

// Format hides the token from package fmt, whatever the verb.
func (t Token) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, t.shown())
}

// MarshalText hides the token from encoders.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.shown()), nil }

func (t Token) shown() string {
	if t.password == "" {
		return "no token"
	}
	return "token with hash " + t.Hash()
}
