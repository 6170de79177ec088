package bitwarden

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

var (
	// ErrInvalidClient is a refused login. Bitwarden does not say why.
	ErrInvalidClient = errors.New("invalid_client: the access token is mistyped (id or secret), expired or revoked, or it belongs to another region or server: " +
		"Bitwarden answers all of these alike")
	// ErrNotFound is what the server says of anything unknown or forbidden.
	ErrNotFound = errors.New("unknown, or this machine account has no access to it: Bitwarden answers both alike")
	// ErrUnauthorized is a session the server does not take, although it is fresh.
	ErrUnauthorized = errors.New("the session is refused, and so is a new one")
	// ErrAnswer is an answer that is not one of Bitwarden's: a page of a proxy, other fields, other ids.
	ErrAnswer = errors.New("the answer is not Bitwarden's")
	// ErrTooLarge is an answer longer than any real one.
	ErrTooLarge = errors.New("the answer is too large")
	// ErrRedirect is a redirect to another host, or one that would lose the request's body. It is not followed.
	ErrRedirect = errors.New("redirect not followed")
	// ErrUnanswered is a create or update that was sent and whose answer is missing, unreadable or a server's error: it may have been
	// executed. Look before it is sent again. A refusal (4xx) and a connection that was never made are certain and never have it.
	ErrUnanswered = errors.New("the request may have been executed")
	// ErrLimit is a field that Bitwarden would not take: too long, empty, not UTF-8. Nothing was sent.
	ErrLimit = errors.New("too long, empty or not text for Bitwarden")
)

// APIError is an answer other than success. errors.Is finds ErrInvalidClient, ErrNotFound, ErrUnauthorized and ErrAnswer in it.
type APIError struct {
	Op         string // what was to be done, with the object's id
	URL        string
	Status     int
	Message    string        // the server's words: one line, shortened, without secrets
	RetryAfter time.Duration // what the server asked to wait; 0 when it did not
	cause      error
}

func (e *APIError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s: %d %s", e.Op, e.URL, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.cause != nil {
		b.WriteString(": " + e.cause.Error())
	}
	if e.RetryAfter > 0 {
		fmt.Fprintf(&b, " (to be tried again in %s)", e.RetryAfter.Round(time.Second))
	}
	return b.String()
}

func (e *APIError) Unwrap() error { return e.cause }

// AmbiguousError says that a name fits several objects. Keys and project names are not unique in Bitwarden.
type AmbiguousError struct {
	What string // `secret "key"` or `project "name"`
	IDs  []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%s is ambiguous: %d have this name, give one of the ids %s", e.What, len(e.IDs), strings.Join(e.IDs, ", "))
}

// apiError reads both forms of error: the API's and the identity service's.
func (c *Client) apiError(r *request, a *answer) *APIError {
	e := &APIError{Op: r.op, URL: r.url, Status: a.status, RetryAfter: retryAfter(a.header)}
	var body struct {
		Message          string
		ValidationErrors map[string][]string
		Error            string
		Description      string `json:"error_description"`
		ErrorModel       struct{ Message string }
	}
	switch {
	case a.isHTML():
		e.Message = "an HTML page"
	case json.Unmarshal(a.body, &body) == nil:
		parts := []string{body.Message, body.Error, body.Description, body.ErrorModel.Message}
		for _, field := range slices.Sorted(maps.Keys(body.ValidationErrors)) {
			parts = append(parts, field+": "+strings.Join(body.ValidationErrors[field], ", "))
		}
		parts = slices.DeleteFunc(parts, func(s string) bool { return s == "" || s == "invalid_client" })
		e.Message = r.hide(strings.Join(parts, ": "))
	}
	switch {
	case r.class == identity && body.Error == "invalid_client":
		e.cause = ErrInvalidClient
	case r.class != identity && a.status == http.StatusNotFound:
		e.cause = ErrNotFound
	}
	return e
}

// unanswered marks an error of a request that may have changed something.
func (r *request) unanswered(err error) error {
	dial, ok := errors.AsType[*net.OpError](err)
	if !r.effect || ok && dial.Op == "dial" {
		return err
	}
	return fmt.Errorf("%w: %w", ErrUnanswered, err)
}

// unlike is an error for an answer with a good status and a body that is none of Bitwarden's.
func unlike(r *request, status int, why string) error {
	return &APIError{Op: r.op, URL: r.url, Status: status, Message: r.hide(why), cause: ErrAnswer}
}

const maxMessage = 300

// jwtShape finds session tokens that this client does not know, such as former ones.
var jwtShape = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*`)

// hide makes a foreign text fit for an error: no secret of the request in it, one line, not long.
func (r *request) hide(s string) string {
	for _, secret := range r.secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "[hidden]")
		}
	}
	s = jwtShape.ReplaceAllString(s, "[hidden]")
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, s)
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + " …"
	}
	return s
}

// hidden is a foreign error with a text that passed hide.
type hidden struct {
	text string
	err  error
}

func (h *hidden) Error() string { return h.text }
func (h *hidden) Unwrap() error { return h.err }

// Denied says whether err means that this access token may not do what was asked, as opposed to a server that does not answer
// or answers nonsense. Unknown objects count: the server makes no difference.
func Denied(err error) bool {
	if errors.Is(err, ErrInvalidClient) || errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnauthorized) {
		return true
	}
	e := (*APIError)(nil)
	return errors.As(err, &e) && (e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden)
}
