package bwtest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"plan/internal/bitwarden"
)

// Rewrite does what was asked and changes the answer, decoded JSON, before it is sent.
func Rewrite(change func(answer map[string]any)) Fault {
	return Fault{Do: func(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
		rec := newRecorder()
		next(rec, r)
		var answer map[string]any
		if json.Unmarshal(rec.body.Bytes(), &answer) == nil {
			change(answer)
		}
		reply(w, rec.status, answer)
	}}
}

// SetField gives the field this value wherever it occurs in the answer, nil for null.
func SetField(name string, value any) Fault {
	return Rewrite(func(a map[string]any) {
		walk(a, func(m map[string]any) {
			if _, ok := m[name]; ok {
				m[name] = value
			}
		})
	})
}

// NullNote answers with null notes.
func NullNote() Fault { return SetField("note", nil) }

// EmptyList answers a list with nothing in it.
func EmptyList() Fault {
	return Rewrite(func(a map[string]any) {
		for _, name := range []string{"secrets", "projects", "data"} {
			if _, ok := a[name]; ok {
				a[name] = nil
			}
		}
	})
}

// ForeignKey encrypts every string of the answer under a key the client does not have.
func ForeignKey() Fault {
	key := bitwarden.NewKey()
	return rewriteEnc(func(string) string { return key.Encrypt("foreign") })
}

// Tampered changes one bit of the signature of every encrypted string.
func Tampered() Fault { return rewriteEnc(Flip) }

// Flip changes the last bit of an encrypted string's signature.
func Flip(enc string) string {
	i := strings.LastIndex(enc, "|") + 1
	mac, err := base64.StdEncoding.DecodeString(enc[i:])
	if err != nil || len(mac) == 0 {
		return enc
	}
	mac[len(mac)-1] ^= 1
	return enc[:i] + base64.StdEncoding.EncodeToString(mac)
}

// TypeZero takes the signature off every encrypted string.
func TypeZero() Fault {
	return rewriteEnc(func(enc string) string { return "0." + enc[len("2."):strings.LastIndex(enc, "|")] })
}

// TypeSeven calls every encrypted string the newer type 7.
func TypeSeven() Fault { return rewriteEnc(func(enc string) string { return "7." + enc[len("2."):] }) }

func rewriteEnc(change func(string) string) Fault {
	return Rewrite(func(a map[string]any) {
		walk(a, func(m map[string]any) {
			for name, v := range m {
				if s, ok := v.(string); ok && bitwarden.CheckEncString(s) == nil {
					m[name] = change(s)
				}
			}
		})
	})
}

// walk visits every object in decoded JSON.
func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, x := range v {
			walk(x, visit)
		}
	case []any:
		for _, x := range v {
			walk(x, visit)
		}
	}
}

// BadClaims does the login with other claims in the JWT.
func BadClaims(change func(claims map[string]any)) Fault {
	return Rewrite(func(a map[string]any) {
		jwt, _ := a["access_token"].(string)
		parts := strings.Split(jwt, ".")
		if len(parts) != 3 {
			return
		}
		raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
		var claims map[string]any
		if json.Unmarshal(raw, &claims) != nil {
			return
		}
		change(claims)
		raw, _ = json.Marshal(claims)
		parts[1] = base64.RawURLEncoding.EncodeToString(raw)
		a["access_token"] = strings.Join(parts, ".")
	}).At(Login)
}
