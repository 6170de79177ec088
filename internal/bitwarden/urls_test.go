package bitwarden

import "testing"

func TestResolve(t *testing.T) {
	us := urls{"https://api.bitwarden.com", "https://identity.bitwarden.com"}
	eu := urls{"https://api.bitwarden.eu", "https://identity.bitwarden.eu"}
	for base, want := range map[string]urls{
		"":                                us,
		"https://bitwarden.com":           us,
		"https://vault.bitwarden.com/":    us,
		"https://VAULT.Bitwarden.com":     us,
		"https://api.bitwarden.com":       us,
		"https://vault.bitwarden.eu":      eu,
		"https://identity.bitwarden.eu/":  eu,
		" https://bitwarden.eu\n":         eu,
		"https://vault.example.org":       {"https://vault.example.org/api", "https://vault.example.org/identity"},
		"https://example.org:8443/bw//":   {"https://example.org:8443/bw/api", "https://example.org:8443/bw/identity"},
		"https://bitwarden.com.evil.test": {"https://bitwarden.com.evil.test/api", "https://bitwarden.com.evil.test/identity"},
		"https://127.0.0.1:9":             {"https://127.0.0.1:9/api", "https://127.0.0.1:9/identity"},
	} {
		if got, err := resolve(base, false); err != nil || got != want {
			t.Errorf("%q: got %v, %v", base, got, err)
		}
	}
	for _, bad := range []string{
		"http://vault.example.org", "vault.example.org", "ftp://x", "https://", "https://:80", "https://x?y", "https://x/#/login", "https://u@x", "%", "localhost:80",
	} {
		if got, err := resolve(bad, false); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
	if got, err := resolve("http://127.0.0.1:9/", true); err != nil || got.api != "http://127.0.0.1:9/api" {
		t.Errorf("insecure: got %v, %v", got, err)
	}
}
