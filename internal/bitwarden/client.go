// Package bitwarden is a client for Bitwarden Secrets Manager: machine account login, reading secrets by id, finding ids by project and
// key, creating and updating them. It speaks the protocol itself, so the program stays a static binary.
//
// A Client logs in once and renews the session when needed. It stays below the server's rate limits and waits when the server
// asks for it (429); it repeats nothing else. Errors never carry the access token, a session token or a value.
package bitwarden

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Config says how to reach the server.
type Config struct {
	ServerURL string       // base, as https://vault.bitwarden.eu or a self-hosted one; "" is the US cloud
	CAFile    string       // PEM, trusted besides the system's roots
	Insecure  bool         // allows plain http and any certificate
	StateFile string       // keeps the session between runs, for this one access token; optional
	UserAgent string       // "" is "plan"
	Limits    *Limits      // shared by the clients of a process; nil is new ones
	HTTP      *http.Client // nil is one with timeouts, CAFile and the environment's proxies
}

// Client reads and writes secrets for one machine account. It is safe for concurrent use.
type Client struct {
	token     AccessToken
	urls      urls
	http      *http.Client
	limits    *Limits
	userAgent string
	stateFile string

	turn         chan struct{} // holds one while its taker uses the fields below; a mutex a context can leave
	stateRead    bool
	current      *session
	refused      error
	refusedUntil time.Time
}

// Format hides everything but the server from package fmt.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "bitwarden client of "+c.urls.api)
}

// New makes a client from an access token; white space around it is cut. Nothing is sent yet.
// Errors: ErrAccessToken, a server URL that is none, a CA file that cannot be read.
func New(cfg Config, accessToken string) (*Client, error) {
	token, err := ParseAccessToken(strings.TrimSpace(accessToken))
	if err != nil {
		return nil, err
	}
	u, err := resolve(cfg.ServerURL, cfg.Insecure)
	if err != nil {
		return nil, err
	}
	h, err := newHTTP(cfg)
	if err != nil {
		return nil, err
	}
	limits := cfg.Limits
	if limits == nil {
		limits = NewLimits()
	}
	return &Client{
		token: token, urls: u, http: h, limits: limits, userAgent: cmp.Or(cfg.UserAgent, "plan"), stateFile: cfg.StateFile,
		turn: make(chan struct{}, 1),
	}, nil
}

// Login makes sure that there is a session. With one in memory, or a valid one in the state file, nothing is sent.
// Errors: ErrInvalidClient (refused; remembered for a minute), *APIError, or what kept the request from its answer.
func (c *Client) Login(ctx context.Context) error {
	_, err := c.session(ctx, nil)
	return err
}

// call sends one API request, with a new session and once more if the server refuses the one in force. {org} in path becomes
// the organisation. in is the body, nil for none; out receives the answer. The session used is returned for opening it.
func (c *Client) call(ctx context.Context, op, method, path string, in, out any) (*session, error) {
	r := &request{op: op, method: method, class: write, contentType: "application/json"}
	if method == http.MethodGet {
		r.class = read
	}
	_, r.effect = in.(wireInput)
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s: encode request: %w", op, err)
		}
		r.body = body
	}
	s, err := c.session(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	a, err := c.sendAs(ctx, s, r, path)
	if isUnauthorized(err) {
		if s, err = c.session(ctx, s); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
		if a, err = c.sendAs(ctx, s, r, path); isUnauthorized(err) {
			e := (*APIError)(nil)
			errors.As(err, &e)
			e.cause = ErrUnauthorized
		}
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return nil, r.unanswered(unlike(r, a.status, "not the JSON of this answer"))
	}
	return s, nil
}

func (c *Client) sendAs(ctx context.Context, s *session, r *request, path string) (*answer, error) {
	r.url = c.urls.api + strings.ReplaceAll(path, "{org}", s.org)
	r.bearer = s.jwt
	r.secrets = []string{s.jwt, c.token.secret, c.token.seed}
	return c.send(ctx, r)
}

func isUnauthorized(err error) bool {
	e := (*APIError)(nil)
	return errors.As(err, &e) && e.Status == http.StatusUnauthorized
}
