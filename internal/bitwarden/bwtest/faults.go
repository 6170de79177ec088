package bwtest

import (
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Refused answers a login with invalid_client: wrong id or secret, expired, revoked, another region.
func Refused() Fault {
	return answer(http.StatusBadRequest, map[string]any{"error": "invalid_client"}).At(Login)
}

// RefusedLong answers a login with the longer form of an identity error.
func RefusedLong() Fault {
	return answer(http.StatusBadRequest, map[string]any{
		"error": "invalid_grant", "error_description": "invalid_username_or_password",
		"ErrorModel": map[string]any{"Message": "This login is switched off.", "Object": "error"},
	}).At(Login)
}

// Status answers with an error in the API's form.
func Status(code int) Fault { return answer(code, apiError(http.StatusText(code)+" (test).")) }

// Unauthorized answers 401 with no body, as for a forgotten JWT.
func Unauthorized() Fault {
	return Fault{Do: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(http.StatusUnauthorized)
	}}
}

// TooMany answers 429; retryAfter is the header, in seconds or as an HTTP date, "" is no header.
func TooMany(retryAfter string) Fault {
	return Fault{Do: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		if retryAfter != "" {
			w.Header().Set("Retry-After", retryAfter)
		}
		reply(w, http.StatusTooManyRequests, apiError("Slow down! Too many requests. Try again in 1s."))
	}}
}

// HTML answers 200 with a page, as a proxy or a captive portal does.
func HTML() Fault {
	return Fault{Do: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><title>Please sign in</title></html>")
	}}
}

// Raw answers with this status and body, called JSON.
func Raw(status int, body string) Fault {
	return Fault{Do: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}}
}

// Hang answers nothing until the client gives up.
func Hang() Fault {
	return Fault{Do: func(_ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		_, _ = io.Copy(io.Discard, r.Body) // net/http notices a gone client only after the body is read
		<-r.Context().Done()
	}}
}

// Cut does what was asked, but closes the connection without an answer.
func Cut() Fault {
	return Fault{Do: func(_ http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		next(newRecorder(), r)
		panic(http.ErrAbortHandler)
	}}
}

// Truncate does what was asked and closes the connection after half of the answer.
func Truncate() Fault {
	return Fault{Do: func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		rec := newRecorder()
		next(rec, r)
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Content-Length", fmt.Sprint(rec.body.Len()))
		w.WriteHeader(rec.status)
		_, _ = w.Write(rec.body.Bytes()[:rec.body.Len()/2])
	}}
}

// Huge answers with n bytes of JSON.
func Huge(n int) Fault {
	return Fault{Do: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"id":"`)
		block := strings.Repeat("x", 64<<10)
		for range n / len(block) {
			if _, err := io.WriteString(w, block); err != nil {
				return
			}
		}
		_, _ = io.WriteString(w, `"}`)
	}}
}

// Redirect answers with this status and Location.
func Redirect(status int, location string) Fault {
	return Fault{Do: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Location", location)
		w.WriteHeader(status)
	}}
}

// Echo answers with this status and everything the client sent in the message, as a careless proxy might.
func Echo(status int) Fault {
	return Fault{Do: func(w http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
		body, _ := io.ReadAll(r.Body)
		message := fmt.Sprintf("%s %s; Authorization: %s", r.Method, body, r.Header.Get("Authorization"))
		e := apiError(message)
		e["error"], e["error_description"] = "echo", message
		reply(w, status, e)
	}}
}

func answer(status int, body any) Fault {
	return Fault{Do: func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) { reply(w, status, body) }}
}
