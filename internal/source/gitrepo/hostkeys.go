package gitrepo

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/skeema/knownhosts"
	"golang.org/x/crypto/ssh"
	xknownhosts "golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys gives the check of a server's key, and the algorithms of the keys that are known of it: another one that the server has as well
// would look like a changed key.
func (o Options) hostKeys(u URL) (ssh.HostKeyCallback, []string, error) {
	db, err := o.knownHosts()
	if err != nil {
		return nil, nil, about(invalid, err)
	}
	check := db.HostKeyCallback()
	return func(host string, addr net.Addr, key ssh.PublicKey) error {
		return explainKey(u, key, check(host, addr, key))
	}, db.HostKeyAlgorithms(u.address()), nil
}

func (o Options) knownHosts() (*knownhosts.HostKeyDB, error) {
	if o.KnownHosts == "" {
		return defaultHosts()
	}
	f, err := os.CreateTemp("", "plan-known-hosts-") // the library reads files only
	if err != nil {
		return nil, fmt.Errorf("keep knownHosts: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(strings.TrimRight(o.KnownHosts, "\n") + "\n")
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("keep knownHosts: %w", err)
	}
	db, err := knownhosts.NewDB(f.Name())
	if err != nil {
		place := strings.TrimPrefix(strings.ReplaceAll(err.Error(), f.Name(), "line"), "knownhosts: ")
		return nil, fmt.Errorf(`knownHosts: %s (each line is "host type key", as ssh-keyscan prints it)`, place)
	}
	return db, nil
}

// defaultHosts reads the known hosts of the user and of the machine, as far as there are such files.
func defaultHosts() (*knownhosts.HostKeyDB, error) {
	files := []string{"/etc/ssh/ssh_known_hosts"}
	if home, err := os.UserHomeDir(); err == nil {
		files = append(files, filepath.Join(home, ".ssh", "known_hosts"))
	}
	var there []string
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			there = append(there, f)
		}
	}
	return knownhosts.NewDB(there...)
}

// explainKey says what to do about a key that is not the one that is known.
func explainKey(u URL, key ssh.PublicKey, err error) error {
	if err == nil {
		return nil
	}
	print, kind := ssh.FingerprintSHA256(key), key.Type()
	line := knownhosts.Line([]string{u.address()}, key)
	changed, isKey := errors.AsType[*xknownhosts.KeyError](err)
	shows := print + " " + kind
	add := fmt.Sprintf("knownHosts (or in ~/.ssh/known_hosts): %s", line)
	switch {
	case errors.As(err, new(*xknownhosts.RevokedError)):
		return aboutf(untrusted, "the key of %s (%s) is marked as revoked in the known hosts", u.host, shows)
	case isKey && len(changed.Want) == 0:
		return aboutf(untrusted, "the key of %s is not known. It shows %s: compare that with what its operator publishes, and then have this line in %s",
			u.host, shows, add)
	case isKey:
		want := changed.Want[0].Key
		return aboutf(untrusted, "the key of %s has changed: %s %s is known, and it shows %s. Somebody may be in between. %s %s",
			u.host, ssh.FingerprintSHA256(want), want.Type(), shows, "If its operator says that the key is new, have this line instead in", add)
	}
	return aboutf(untrusted, "the key of %s cannot be checked: %w", u.host, err)
}
