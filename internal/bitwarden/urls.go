package bitwarden

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

type urls struct{ api, identity string }

// resolve gives the two services behind a server's base URL. Empty is Bitwarden's US cloud; the cloud's own hosts (US and EU)
// give the cloud's services; any other base is self-hosted and has them under /api and /identity.
func resolve(base string, insecure bool) (urls, error) {
	if base == "" {
		return cloud("bitwarden.com"), nil
	}
	wrong := func(why string) (urls, error) { return urls{}, fmt.Errorf("server URL %q: %s", redact(base), why) }
	u, err := url.Parse(strings.TrimSpace(base))
	switch {
	case err != nil:
		return wrong("not a URL")
	case u.User != nil:
		return wrong("no user or password may be in it")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Hostname() == "":
		return wrong("want https://host, as in https://vault.bitwarden.eu")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return wrong("nothing may follow the path")
	case u.Scheme == "http" && !insecure:
		return wrong("plain http would send the access token unprotected: use https, or set insecure")
	}
	path := strings.TrimRight(u.Path, "/")
	for _, domain := range []string{"bitwarden.com", "bitwarden.eu"} {
		hosts := []string{domain, "vault." + domain, "api." + domain, "identity." + domain}
		if slices.Contains(hosts, strings.ToLower(u.Host)) && path == "" {
			return cloud(domain), nil
		}
	}
	own := u.Scheme + "://" + u.Host + path
	return urls{api: own + "/api", identity: own + "/identity"}, nil
}

func cloud(domain string) urls {
	return urls{api: "https://api." + domain, identity: "https://identity." + domain}
}

// redact takes a password out of what may be no URL at all.
func redact(base string) string {
	if i := strings.LastIndex(base, "@"); i >= 0 {
		return "…" + base[i:]
	}
	return base
}

var errNotID = errors.New("not a UUID")

// checkIDs normalises ids and drops repeated ones.
func checkIDs(what string, ids ...string) ([]string, error) {
	out := make([]string, 0, len(ids))
	for _, id := range ids {
		n, err := normalID(strings.TrimSpace(id))
		if err != nil {
			return nil, fmt.Errorf("%s id %q: %w", what, id, errNotID)
		}
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out, nil
}
