package bwtest

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"time"
)

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err := r.ParseForm(); err != nil || media != "application/x-www-form-urlencoded" {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_request"})
		return
	}
	f := r.PostForm
	if f.Get("grant_type") != "client_credentials" || f.Get("scope") != "api.secrets" {
		reply(w, http.StatusBadRequest, map[string]any{
			"error": "invalid_scope", "error_description": "unsupported grant or scope",
			"ErrorModel": map[string]any{"Message": "Unsupported grant or scope.", "Object": "error"},
		})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.accounts[f.Get("client_id")]
	if !ok || a.revoked || a.secret != f.Get("client_secret") {
		reply(w, http.StatusBadRequest, map[string]any{"error": "invalid_client"})
		return
	}
	payload, _ := json.Marshal(map[string]string{"encryptionKey": s.orgKey.Base64()})
	reply(w, http.StatusOK, map[string]any{
		"access_token": s.newSession(a), "expires_in": int(s.expiresIn / time.Second), "token_type": "Bearer", "scope": "api.secrets",
		"encrypted_payload": a.tokenKey.Encrypt(string(payload)), "refresh_token": nil,
	})
}

// newSession makes a JWT in the form of the real ones. Its signature is random: clients do not check it.
func (s *Server) newSession(a *account) string {
	now := time.Now()
	expires := now.Add(s.expiresIn)
	claims, _ := json.Marshal(map[string]any{
		"nbf": now.Unix(), "iat": now.Unix(), "exp": expires.Unix(), "iss": "http://localhost", "client_id": "serviceAccount." + a.id,
		"sub": a.id, "organization": s.org, "type": "ServiceAccount", "jti": rand.Text(), "scope": []string{"api.secrets"},
	})
	enc := base64.RawURLEncoding.EncodeToString
	jwt := strings.Join([]string{enc([]byte(`{"alg":"RS256","typ":"at+jwt"}`)), enc(claims), enc([]byte(rand.Text()))}, ".")
	s.sessions[jwt] = session{account: a, expires: expires}
	return jwt
}
