package bitwarden_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
)

// errAny is a want for errors that need no type.
var errAny = errors.New("any")

// broken is a fault, the error it gives on a read, and whether that is the token's fault.
type broken struct {
	fault  bwtest.Fault
	want   error
	denied bool
}

func loginFaults() map[string]broken {
	return map[string]broken{
		"refused":                 {bwtest.Refused(), bitwarden.ErrInvalidClient, true},
		"refused, longer form":    {bwtest.RefusedLong(), errAny, false},
		"login 500":               {bwtest.Status(500).At(bwtest.Login), errAny, false},
		"login 404":               {bwtest.Status(404).At(bwtest.Login), errAny, false},
		"login HTML":              {bwtest.HTML().At(bwtest.Login), bitwarden.ErrAnswer, false},
		"login echo":              {bwtest.Echo(400).At(bwtest.Login), errAny, false},
		"login not JSON":          {bwtest.Raw(200, "ok").At(bwtest.Login), bitwarden.ErrAnswer, false},
		"login empty":             {bwtest.Raw(200, "{}").At(bwtest.Login), bitwarden.ErrAnswer, false},
		"login huge":              {bwtest.Huge(4 << 20).At(bwtest.Login), bitwarden.ErrTooLarge, false},
		"login cut":               {bwtest.Cut().At(bwtest.Login), errAny, false},
		"login truncated":         {bwtest.Truncate().At(bwtest.Login), errAny, false},
		"login key foreign":       {bwtest.ForeignKey().At(bwtest.Login), bitwarden.ErrTampered, false},
		"login key tampered":      {bwtest.Tampered().At(bwtest.Login), bitwarden.ErrTampered, false},
		"login key type 0":        {bwtest.TypeZero().At(bwtest.Login), bitwarden.ErrEncString, false},
		"login no JWT":            {bwtest.SetField("access_token", "eyJx").At(bwtest.Login), bitwarden.ErrAnswer, false},
		"login scope is a string": {bwtest.BadClaims(func(c map[string]any) { c["scope"] = "api.secrets" }), bitwarden.ErrAnswer, false},
		"login no organisation":   {bwtest.BadClaims(func(c map[string]any) { delete(c, "organization") }), bitwarden.ErrAnswer, false},
		"login other scope":       {bwtest.BadClaims(func(c map[string]any) { c["scope"] = []string{"api"} }), bitwarden.ErrAnswer, false},
		"login redirected":        {bwtest.Redirect(307, "https://evil.test/identity/connect/token").At(bwtest.Login), bitwarden.ErrRedirect, false},
		"login becomes GET":       {bwtest.Redirect(302, "/identity/connect/token").At(bwtest.Login), bitwarden.ErrRedirect, false},
	}
}

func readFaults() map[string]broken {
	wrongID := bwtest.SetField("id", "00000000-0000-4000-8000-000000000000")
	return map[string]broken{
		"redirected":             {bwtest.Redirect(302, "https://api.vault.test.invalid/x?eyJx").At(bwtest.GetSecret), bitwarden.ErrRedirect, false},
		"redirected to http":     {bwtest.Redirect(302, "http://vault.test.invalid/api/x").At(bwtest.GetSecret), bitwarden.ErrRedirect, false},
		"redirected in a circle": {bwtest.Redirect(302, "").At(bwtest.GetSecret), errAny, false},
		"401":                    {bwtest.Unauthorized().At(bwtest.GetSecret), bitwarden.ErrUnauthorized, true},
		"403":                    {bwtest.Status(403).At(bwtest.GetSecret), errAny, true},
		"404":                    {bwtest.Status(404).At(bwtest.GetSecret), bitwarden.ErrNotFound, true},
		"429":                    {bwtest.TooMany("3600").At(bwtest.GetSecret), errAny, false},
		"500":                    {bwtest.Status(500).At(bwtest.GetSecret), errAny, false},
		"502 HTML":               {bwtest.Raw(502, "<html>").At(bwtest.GetSecret), errAny, false},
		"HTML":                   {bwtest.HTML().At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
		"HTML called JSON":       {bwtest.Raw(200, " <html>").At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
		"former session in text": {bwtest.Raw(500, `{"message":"no eyJhbGciOi.eyJzdWIi.c2ln\nhere"}`).At(bwtest.GetSecret), errAny, false},
		"empty":                  {bwtest.Raw(200, "").At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
		"null":                   {bwtest.Raw(200, "null").At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
		"list":                   {bwtest.Raw(200, "[]").At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
		"echo":                   {bwtest.Echo(500).At(bwtest.GetSecret), errAny, false},
		"huge":                   {bwtest.Huge(40 << 20).At(bwtest.GetSecret), bitwarden.ErrTooLarge, false},
		"hang":                   {bwtest.Hang().At(bwtest.GetSecret), errAny, false},
		"cut":                    {bwtest.Cut().At(bwtest.GetSecret), errAny, false},
		"truncated":              {bwtest.Truncate().At(bwtest.GetSecret), errAny, false},
		"foreign key":            {bwtest.ForeignKey().At(bwtest.GetSecret), bitwarden.ErrTampered, false},
		"tampered":               {bwtest.Tampered().At(bwtest.GetSecret), bitwarden.ErrTampered, false},
		"type 0":                 {bwtest.TypeZero().At(bwtest.GetSecret), bitwarden.ErrEncString, false},
		"type 7":                 {bwtest.TypeSeven().At(bwtest.GetSecret), bitwarden.ErrEncString, false},
		"null value":             {bwtest.SetField("value", nil).At(bwtest.GetSecret), bitwarden.ErrEncString, false},
		"another secret":         {wrongID.At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
		"another organisation":   {bwtest.SetField("organizationId", "00000000-0000-4000-8000-000000000000").At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
		"date is a JWT":          {bwtest.SetField("creationDate", "eyJa.eyJb.c").At(bwtest.GetSecret), bitwarden.ErrAnswer, false},
	}
}

func TestFaults(t *testing.T) {
	all := loginFaults()
	maps.Copy(all, readFaults())
	for name, f := range all {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, c, id, token := one(t)
				s.FailNext(f.fault.For(-1))
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				got, err := c.Secret(ctx, id)
				if err == nil || got.Value != "" || f.want != errAny && !errors.Is(err, f.want) {
					t.Fatalf("got %v, %v; want %v", got, err, f.want)
				}
				if bitwarden.Denied(err) != f.denied {
					t.Errorf("denied is %v: %v", !f.denied, err)
				}
				if !strings.Contains(err.Error(), id) {
					t.Errorf("the error does not name the secret: %v", err)
				}
				text := fmt.Sprintf("%v %+v %#v", err, err, err)
				for e := err; e != nil; e = errors.Unwrap(e) {
					text += e.Error()
				}
				if l := bwtest.Leaks(text, token); len(l) > 0 || strings.ContainsAny(err.Error(), "\n\r") {
					t.Errorf("leaks %q: %v", l, err)
				}
				s.Heal()
				time.Sleep(2 * time.Minute)
				read(t, c, id)
			})
		})
	}
}

func TestRedirectsCarryNothingAway(t *testing.T) {
	for _, e := range []bwtest.Endpoint{bwtest.Login, bwtest.GetSecret} {
		s, _, id, token := one(t)
		other := 0
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "vault.test.invalid" {
				other++
			}
			s.ServeHTTP(w, r)
		})
		c := open(t, s, token, func(cfg *bitwarden.Config) { cfg.HTTP = &http.Client{Transport: bwtest.Transport(h)} })
		s.FailNext(bwtest.Redirect(307, "https://sub.vault.test.invalid/api/secrets/"+id).At(e))
		if _, err := c.Secret(t.Context(), id); !errors.Is(err, bitwarden.ErrRedirect) || other != 0 {
			t.Errorf("%s: %v, %d requests elsewhere", e, err, other)
		}
	}
}

func TestRedirectOnTheSameHostIsFollowed(t *testing.T) {
	s, c, id, _ := one(t)
	s.FailNext(bwtest.Redirect(307, "/identity/connect/token").At(bwtest.Login), bwtest.Redirect(302, "/api/secrets/"+id).At(bwtest.GetSecret))
	read(t, c, id)
}

func TestNullNoteIsEmpty(t *testing.T) {
	s, c, id, _ := one(t)
	s.FailNext(bwtest.NullNote())
	read(t, c, id)
}

func TestSecretIsHidden(t *testing.T) {
	s := bitwarden.Secret{ID: "id", Key: "k", Value: bwtest.Canary, Note: bwtest.Canary}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "list", []bitwarden.Secret{s})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "pointer", &s, "list", []bitwarden.Secret{s})
	js, err := json.Marshal(map[string]any{"s": s, "p": &s})
	if err != nil {
		t.Fatal(err)
	}
	text := log.String() + string(js) + fmt.Sprint(s, &s, []bitwarden.Secret{s}, struct{ X any }{s})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		text += fmt.Sprintf(verb, s) + fmt.Sprintf(verb, map[string]bitwarden.Secret{"a": s})
	}
	if strings.Contains(text, bwtest.Canary) || strings.Contains(text, fmt.Sprintf("%x", bwtest.Canary)) {
		t.Error("the value shows")
	}
}
