package bitwarden

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	renewBefore  = 300 * time.Second // before a session ends
	minUse       = 10 * time.Second  // of a session, however short it is
	renewPause   = time.Minute       // after a renewal that did not work while the session still does
	refusedPause = time.Minute       // for which a refused login is not tried again
)

// session is a login: the JWT, and the organisation it opens.
type session struct {
	jwt, org         string
	key              Key // of the organisation
	expires, renewAt time.Time
}

// renewal is 300 s before the end of a session, but a short one serves for half of its life: otherwise each call would log in.
func renewal(start time.Time, life time.Duration) time.Time {
	return start.Add(max(life-renewBefore, life/2, minUse))
}

// session gives the login in force, or makes one. stale is a session the server refused; it is not given again.
// One login runs at a time and the others take its result.
func (c *Client) session(ctx context.Context, stale *session) (*session, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if !c.stateRead {
		c.current, c.stateRead = c.readState(), true
	}
	now := time.Now()
	usable := c.current != nil && c.current != stale
	if usable && now.Before(c.current.renewAt) {
		return c.current, nil
	}
	if c.refused != nil && now.Before(c.refusedUntil) {
		return nil, c.refused
	}
	s, err := c.login(ctx)
	switch {
	case err == nil:
		c.current, c.refused = s, nil
		c.writeState(s)
		return s, nil
	case errors.Is(err, ErrInvalidClient):
		c.current, c.refused, c.refusedUntil = nil, err, now.Add(refusedPause)
	case usable && ctx.Err() == nil && time.Now().Before(c.current.expires):
		c.current.renewAt = time.Now().Add(renewPause)
		return c.current, nil
	}
	return nil, err
}

func (c *Client) login(ctx context.Context) (*session, error) {
	form := url.Values{
		"scope": {"api.secrets"}, "client_id": {c.token.ID}, "client_secret": {c.token.secret}, "grant_type": {"client_credentials"},
	}
	r := &request{
		op: "log in to Bitwarden", method: http.MethodPost, url: c.urls.identity + "/connect/token", class: identity,
		body: []byte(form.Encode()), contentType: "application/x-www-form-urlencoded; charset=utf-8",
		secrets: []string{c.token.secret, url.QueryEscape(c.token.secret), c.token.seed},
	}
	a, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var got struct {
		AccessToken      string `json:"access_token"`
		ExpiresIn        int64  `json:"expires_in"`
		TokenType        string `json:"token_type"`
		EncryptedPayload string `json:"encrypted_payload"`
	}
	switch err := json.Unmarshal(a.body, &got); {
	case err != nil:
		return nil, unlike(r, a.status, "not the JSON of a login")
	case got.AccessToken == "" || !strings.EqualFold(got.TokenType, "Bearer") || got.EncryptedPayload == "":
		return nil, unlike(r, a.status, "no session in it")
	}
	claims, err := readClaims(got.AccessToken)
	if err != nil {
		return nil, unlike(r, a.status, err.Error())
	}
	key, err := orgKey(c.token.key, got.EncryptedPayload)
	if err != nil {
		return nil, &APIError{Op: r.op, URL: r.url, Status: a.status, Message: "open the organisation's key", cause: err}
	}
	now, life := time.Now(), time.Duration(min(max(got.ExpiresIn, 0), 1<<31))*time.Second
	return &session{jwt: got.AccessToken, org: claims.Organization, key: key, expires: now.Add(life), renewAt: renewal(now, life)}, nil
}

func orgKey(tokenKey Key, payload string) (Key, error) {
	plain, err := tokenKey.Decrypt(payload)
	if err != nil {
		return Key{}, err
	}
	var in struct {
		EncryptionKey string `json:"encryptionKey"`
	}
	if json.Unmarshal([]byte(plain), &in) != nil {
		return Key{}, errors.New("the payload is not JSON")
	}
	return ParseKey(in.EncryptionKey)
}

type claims struct {
	Exp, Iat     int64
	Sub          string
	Organization string
	Scope        []string
}

// readClaims reads the middle of a JWT. Clients do not check its signature: the server does.
func readClaims(jwt string) (claims, error) {
	parts := strings.Split(jwt, ".")
	if len(parts) != 3 {
		return claims{}, errors.New("the session is not a JWT")
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return claims{}, errors.New("the session is not a JWT")
	}
	var c claims
	if json.Unmarshal(raw, &c) != nil || c.Exp == 0 || c.Sub == "" {
		return claims{}, errors.New("the session lacks claims, or they have other types")
	}
	if !slices.Contains(c.Scope, "api.secrets") {
		return claims{}, errors.New("the session is not one of Secrets Manager")
	}
	if c.Organization, err = normalID(c.Organization); err != nil {
		return claims{}, errors.New("the session names no organisation")
	}
	return c, nil
}
