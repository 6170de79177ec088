package gitrepo

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"
)

// URL is the address of a repository that Parse has accepted. URLs can be compared; the zero URL is no address.
type URL struct {
	scheme string // https, http, ssh or git
	user   string // of ssh
	host   string // in lower case, an IPv6 address without its brackets
	port   int    // 0: the scheme's own
	path   string // as written, without a slash at the end; after a scheme it begins with one
	scp    bool   // written as user@host:path
}

const maxURL = 2048 // bytes

// Parse reads the address of a repository:
//
//	https://host[:port]/path   ssh://[user@]host[:port]/path   user@host:path
//	http://…  git://…          in clear; Options.Check says when they may be used
//
// No host is special. Whatever could mean something else to another reader is refused: other schemes, transport helpers (ext::…), local
// paths, a part that begins with "-", control characters and blanks, encoded ones too, passwords and tokens, queries, fragments, dots
// as folders. Errors show the address without what may be a secret.
func Parse(s string) (URL, error) {
	u, err := parse(s)
	if err != nil {
		return URL{}, fmt.Errorf("git URL %s: %w", redacted(s), err)
	}
	return u, nil
}

func parse(s string) (URL, error) {
	if err := checkText(s); err != nil {
		return URL{}, err
	}
	scheme, rest, found := strings.Cut(s, "://")
	if !found || !isScheme(scheme) {
		return parseSCP(s)
	}
	u := URL{scheme: strings.ToLower(scheme)}
	if err := checkScheme(u.scheme); err != nil {
		return URL{}, err
	}
	authority, path := rest, ""
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		if err := u.setUser(authority[:i]); err != nil {
			return URL{}, err
		}
		authority = authority[i+1:]
	}
	if err := u.setHost(authority); err != nil {
		return URL{}, err
	}
	u.path = strings.TrimSuffix(path, "/")
	return u, u.checkPath(strings.TrimPrefix(u.path, "/"))
}

// parseSCP reads user@host:path. The user is required: host:path is an image and its tag, too.
func parseSCP(s string) (URL, error) {
	u := URL{scheme: "ssh", scp: true}
	user, rest, found := strings.Cut(s, "@")
	end := strings.IndexByte(rest, ':')
	if strings.HasPrefix(rest, "[") {
		end = strings.IndexByte(rest, ']') + 1
	}
	if !found || end <= 0 || end >= len(rest) || rest[end] != ':' || strings.Contains(user+rest[:end], "/") {
		return URL{}, errNoForm(s)
	}
	if err := u.setUser(user); err != nil {
		return URL{}, err
	}
	if err := u.setHost(rest[:end]); err != nil {
		return URL{}, err
	}
	u.path = rest[end+1:]
	if isDigest(u.host, u.path) {
		return URL{}, fmt.Errorf("it is the digest of an image, and no repository")
	}
	if len(u.path) > 1 {
		u.path = strings.TrimSuffix(u.path, "/")
	}
	return u, u.checkPath(strings.TrimPrefix(u.path, "/"))
}

func (u *URL) setUser(info string) error {
	switch {
	case strings.Contains(info, ":"):
		return fmt.Errorf("it has a password or token in it, which would be seen wherever the address is: take it out and give it as credentials")
	case u.scheme != "ssh":
		return fmt.Errorf("it has a user or token before the @: take it out and give it as credentials")
	}
	u.user = info
	return checkUser(info)
}

func (u *URL) setHost(hostPort string) error {
	host, port := hostPort, ""
	if strings.HasPrefix(hostPort, "[") {
		end := strings.IndexByte(hostPort, ']')
		if end < 0 {
			return fmt.Errorf("the host's [ has no ]")
		}
		host, port = hostPort[1:end], hostPort[end+1:]
		if addr, err := netip.ParseAddr(host); err != nil || !addr.Is6() || addr.Zone() != "" {
			return fmt.Errorf("what stands in [ ] is no IPv6 address")
		}
	} else {
		if i := strings.IndexByte(hostPort, ':'); i >= 0 {
			host, port = hostPort[:i], hostPort[i:]
		}
		if err := checkHost(host); err != nil {
			return err
		}
	}
	u.host = strings.ToLower(host)
	if port == "" {
		return nil
	}
	n, err := strconv.ParseUint(port[1:], 10, 16)
	if err != nil || port[0] != ':' || n == 0 || port[1] == '0' {
		return fmt.Errorf("what follows the host is no port (1 to 65535)")
	}
	u.port = int(n)
	return nil
}

// String is the address; Parse makes the same URL of it. It holds no secret.
func (u URL) String() string {
	host, user := u.host, u.user
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if user != "" {
		user += "@"
	}
	if u.scp {
		return user + host + ":" + u.path
	}
	if u.port != 0 {
		host += ":" + strconv.Itoa(u.port)
	}
	return u.scheme + "://" + user + host + u.path
}

// Host is the name or address of the server in lower case, without port.
func (u URL) Host() string { return u.host }

// SSH tells whether the server is reached by ssh, which takes known hosts and a key.
func (u URL) SSH() bool { return u.scheme == "ssh" }

// Name is what the repository is called: the last part of its path without .git, or the host's name where there is none.
func (u URL) Name() string {
	name := path.Base(strings.TrimSuffix(strings.TrimSuffix(u.remotePath(), ".git"), "/"))
	if name == "." || name == "/" {
		return u.host
	}
	return name
}

// remotePath is the path as the server's file system has it. A path that begins with ~ is relative to a home there.
func (u URL) remotePath() string {
	if u.scp {
		return u.path
	}
	p, _ := url.PathUnescape(u.path) // Parse has tried
	if strings.HasPrefix(p, "/~") {
		return p[1:]
	}
	return p
}

// address is host and port to connect to.
func (u URL) address() string {
	port := u.port
	if port == 0 {
		port = map[string]int{"https": 443, "http": 80, "ssh": 22, "git": 9418}[u.scheme]
	}
	return net.JoinHostPort(u.host, strconv.Itoa(port))
}

// clear says that the connection has no protection of its own, and may leave this machine.
func (u URL) clear() bool { return (u.scheme == "http" || u.scheme == "git") && !loopback(u.host) }

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}
