package gitrepo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing/format/pktline"

	"plan/internal/errclass"
	"plan/internal/printable"
)

var (
	missing   = errclass.Fault{Class: errclass.Final, Kind: errclass.NotFound}
	denied    = errclass.Fault{Class: errclass.Final, Kind: errclass.Denied}
	invalid   = errclass.Fault{Class: errclass.Final, Kind: errclass.Invalid}
	untrusted = errclass.Fault{Class: errclass.Final, Kind: errclass.Unreachable}
	again     = errclass.Fault{Class: errclass.Transient}
)

// errNotOurs is a server's refusal of a commit that was asked for by its id.
var errNotOurs = errors.New("the server does not give this commit")

// known is an error that says what it means.
type known struct {
	fault errclass.Fault
	err   error
}

func (k *known) Error() string         { return k.err.Error() }
func (k *known) Unwrap() error         { return k.err }
func (k *known) Fault() errclass.Fault { return k.fault }

func about(f errclass.Fault, err error) error { return &known{f, err} }

func aboutf(f errclass.Fault, format string, args ...any) error {
	return about(f, fmt.Errorf(format, args...))
}

// refusal is an answer of an HTTP server other than 200.
type refusal struct {
	code int
	wait time.Duration
	text string
}

func (r *refusal) Error() string             { return r.text }
func (r *refusal) StatusCode() int           { return r.code }
func (r *refusal) RetryAfter() time.Duration { return r.wait }

// ended is err, or the end of ctx if that is why.
func ended(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// said is what a server has to say in an error: one line, printable, and no novel.
func said(text string) string {
	const most = 400
	text = strings.Join(strings.FieldsFunc(strings.Trim(text, "\x00 \t\r\n"), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return printable.String(text)
}

// serverSays gives the meaning of a server's message that came instead of an answer.
func serverSays(text string, otherwise error) error {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(text), w) {
				return true
			}
		}
		return false
	}
	message := said(text)
	switch {
	case strings.TrimSpace(text) == "":
		return otherwise
	case has("not our ref", "unadvertised object"):
		return fmt.Errorf("%w; it says: %s", errNotOurs, message)
	case has("not found", "does not exist", "does not appear to be a git repository", "could not be found", "no such"):
		return aboutf(missing, "the repository is not there, or these credentials may not read it; the server says: %s", message)
	case has("denied", "not authorized", "unauthorized", "forbidden", "not allowed", "not permitted"):
		return aboutf(denied, "the server refuses; it says: %s", message)
	}
	return fmt.Errorf("the server says: %s", message)
}

// errorLine turns a message that the server put into the protocol into an error.
func errorLine(err error) error {
	if line, ok := errors.AsType[*pktline.ErrorLine](err); ok {
		return serverSays(line.Text, err)
	}
	return err
}
