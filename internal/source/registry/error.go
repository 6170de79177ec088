package registry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"plan/internal/printable"
)

// Error says what a registry did not do, why, and what to do next. It wraps what the network said, if it was the network, and
// carries the status of the answer, if there was one; nothing in it is a credential or an address with a signature.
type Error struct {
	op, ref string // "push", "registry.example.net/team/app"
	why     string
	status  int
	wait    time.Duration
	cause   error
}

// Error gives verb, reference, and why.
func (e *Error) Error() string { return e.op + " " + e.ref + ": " + e.why }

// Unwrap gives the cause, nil where the registry answered.
func (e *Error) Unwrap() error { return e.cause }

// StatusCode is the HTTP status of the answer, 0 without one.
func (e *Error) StatusCode() int { return e.status }

// RetryAfter is how long the registry asked to wait, 0 if it did not.
func (e *Error) RetryAfter() time.Duration { return e.wait }

// The verbs of errors.
const (
	opRead = "read image"
	opPush = "push to"
)

// fail makes the reader's error of what a conversation ended with, nil of nil.
func (s *session) fail(ctx context.Context, op, ref string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{op: op, ref: ref}
	answer, answered := errors.AsType[*transport.Error](err)
	switch why := s.distrust(err); {
	case ctx.Err() != nil:
		e.cause = context.Cause(ctx)
		e.why = e.cause.Error()
	case why != "":
		e.why, e.cause = why, withoutURL(err)
	case answered:
		e.status, e.wait = answer.StatusCode, time.Duration(s.http.wait.Load())
		e.why = s.refusal(op, answer)
	default:
		e.cause = withoutURL(err)
		if plain, ok := s.http.plain.Load().(broken); ok && errors.Is(err, http.ErrSchemeMismatch) {
			e.cause = plain.error
		}
		e.why = s.unreachable(err, e.cause)
	}
	return e
}

// distrust is why a connection is not to be used, "" if that is not what went wrong.
func (s *session) distrust(err error) string {
	unknown, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, isRefused := errors.AsType[*tls.CertificateVerificationError](err)
	switch {
	case isUnknown:
		return fmt.Sprintf("the certificate of %s is signed by an authority that is not trusted here%s: name its CA as caFile or in SSL_CERT_FILE",
			s.host, issuer(unknown.Cert))
	case isRefused:
		return fmt.Sprintf("the certificate of %s was refused: %s", s.host, words(withoutURL(err).Error()))
	}
	return ""
}

func issuer(c *x509.Certificate) string {
	if c == nil {
		return ""
	}
	return " (" + words(c.Issuer.String()) + ")"
}

// refusal puts an answer into words.
func (s *session) refusal(op string, e *transport.Error) string {
	host := s.host
	elsewhere := e.Request != nil && e.Request.URL.Host != "" && hostOr(e.Request.URL.Host) != s.host
	if elsewhere {
		host = fmt.Sprintf("%s, to which %s points,", words(e.Request.URL.Host), s.host)
	}
	pushing := op == opPush
	switch {
	case e.StatusCode == http.StatusUnauthorized && s.keys.had.Load():
		return fmt.Sprintf("%s did not accept the login: renew it with %q, or correct user name and password", host, s.login())
	case e.StatusCode == http.StatusUnauthorized && pushing:
		return fmt.Sprintf("%s wants a login: %q", host, s.login())
	case e.StatusCode == http.StatusUnauthorized:
		return fmt.Sprintf("%s wants a login, or has no such image: check the name, or %q", host, s.login())
	case e.StatusCode == http.StatusForbidden && pushing:
		return fmt.Sprintf("%s denies the right to push there%s: ask for it, or log in as somebody who has it with %q", host, said(e), s.login())
	case e.StatusCode == http.StatusForbidden:
		return fmt.Sprintf("%s denies the right to read it%s: ask for it, or log in as somebody who has it with %q", host, said(e), s.login())
	case e.StatusCode == http.StatusNotFound && pushing && !elsewhere:
		return fmt.Sprintf("%s does not know the repository%s: create it there", host, said(e))
	case e.StatusCode == http.StatusNotFound && !elsewhere:
		return fmt.Sprintf("%s has no such image%s: check its name and tag", host, said(e))
	case e.StatusCode == http.StatusTooManyRequests:
		return fmt.Sprintf("%s answers that there are too many requests%s: try later, or log in for a higher limit", host, said(e))
	}
	return fmt.Sprintf("%s answered %d %s%s", host, e.StatusCode, http.StatusText(e.StatusCode), said(e))
}

// said is what a registry gave as its reason: codes of the protocol and its own words.
func said(e *transport.Error) string {
	var all []string
	for _, d := range e.Errors {
		all = append(all, strings.TrimSuffix(string(d.Code)+": "+d.Message, ": "))
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + words(strings.Join(all, "; ")) + ")"
}

// words makes text from outside fit for one line.
func words(s string) string {
	const most = 300
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return printable.String(s)
}

func (s *session) login() string {
	if s.host == dockerHub {
		return "docker login"
	}
	return "docker login " + s.host
}

// unreachable is about what was no answer.
func (s *session) unreachable(err, cause error) string {
	switch {
	case errors.Is(cause, http.ErrSchemeMismatch):
		return fmt.Sprintf("%s does not speak TLS: plain http is for registries on this machine, or with insecure", s.host)
	case errors.Is(cause, errPlain):
		return fmt.Sprintf("%s points to an address without TLS: plain http is for registries on this machine, or with insecure", s.host)
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Sprintf("%s cannot be reached: %s", s.host, words(cause.Error()))
	}
	return words(cause.Error())
}

// withoutURL leaves out addresses, in which registries and their storage put signatures.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// hostOf is the host that an error is about, "" if none is known.
func hostOf(err error) string {
	if answer, ok := errors.AsType[*transport.Error](err); ok && answer.Request != nil {
		return answer.Request.URL.Host
	}
	if broken, ok := errors.AsType[*url.Error](err); ok {
		if u, err := url.Parse(broken.URL); err == nil {
			return u.Host
		}
	}
	return ""
}
