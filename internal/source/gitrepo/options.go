package gitrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Options say how to reach a repository and what of it is wanted.
type Options struct {
	// Username and Password (or a token) are for https. Where only a password is given the user is "git", which servers with tokens take.
	Username, Password string
	// CAFile has certificates to trust besides the system's. Insecure leaves https unchecked, and allows http to any host.
	CAFile   string
	Insecure bool

	// SSHKey is a private key in PEM form, Passphrase what it is encrypted with. Without a key the agent at SSH_AUTH_SOCK is asked.
	SSHKey, Passphrase string
	// KnownHosts are the lines of a known_hosts file. If there are none, those of the user and of the machine hold.
	KnownHosts string

	// Path is the folder of the repository that is wanted, "/" between its parts; "" is all of it.
	Path string

	most limits // the zero is limits of this package
}

// Check says, without asking anybody, why Resolve of ref at u would be refused. In clear (http, git) a repository is only asked for where
// nobody can profit: on this machine, or for a full commit id, whose content cannot be forged, and without credentials; http also with
// Insecure.
func (o Options) Check(u URL, ref string) error {
	err := o.check(u, ref)
	if err == nil && o.SSHKey != "" {
		_, err = o.signer()
	}
	if err != nil {
		return about(invalid, err)
	}
	return nil
}

// check is Check without the key: opening an encrypted one takes a while, and connecting does it anyway.
func (o Options) check(u URL, ref string) error {
	if u == (URL{}) {
		return errors.New("no git URL is given")
	}
	if err := CheckRef(ref); err != nil {
		return err
	}
	if o.Path != "" && (!fs.ValidPath(o.Path) || strings.ContainsRune(o.Path, 0)) {
		return fmt.Errorf(`path %q: it is no path of a folder in the repository (parts joined by "/", none of them "." or "..")`, o.Path)
	}
	if u.scheme == "ssh" {
		return o.checkSSH()
	}
	switch {
	case o.SSHKey != "" || o.Passphrase != "" || o.KnownHosts != "":
		return fmt.Errorf("sshKey, passphrase and knownHosts are for ssh, and the address is %s://", u.scheme)
	case u.scheme == "git" && (o.Username != "" || o.Password != ""):
		return errors.New("git:// takes no credentials: use https:// or ssh://")
	case u.scheme == "git" && (o.Insecure || o.CAFile != ""):
		return errors.New("caFile and insecure are for https, and the address is git://")
	case strings.ContainsAny(o.Username, ":\r\n\x00") || strings.ContainsAny(o.Password, "\r\n\x00"):
		return errors.New(`the user has a ":", or the user or password has a line break, which https cannot send`)
	case o.Username != "" && o.Password == "":
		return errors.New("a user is given for https and no password or token")
	case !u.clear() || o.Insecure:
		return nil
	case o.Password != "":
		return errors.New("http:// would show the credentials to everybody on the way: use https://, or set insecure")
	case !IsCommit(ref):
		return fmt.Errorf("what %s:// brings can be exchanged on the way: use https:// or ssh://, or give a full commit id as ref%s", u.scheme,
			map[string]string{"http": ", or set insecure"}[u.scheme])
	}
	return nil
}

func (o Options) checkSSH() error {
	switch {
	case o.Username != "" || o.Password != "":
		return errors.New("user and password are for https: ssh takes its user from the address and a key from sshKey")
	case o.CAFile != "" || o.Insecure:
		return errors.New("caFile and insecure are for https: ssh trusts the keys of knownHosts")
	case o.SSHKey == "" && o.Passphrase != "":
		return errors.New("a passphrase is given and no sshKey")
	}
	return nil
}

// signer is the key. Errors say nothing of it.
func (o Options) signer() (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey([]byte(o.SSHKey))
	if _, encrypted := errors.AsType[*ssh.PassphraseMissingError](err); encrypted {
		if o.Passphrase == "" {
			return nil, errors.New("the sshKey is encrypted: give its passphrase")
		}
		if signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(o.SSHKey), []byte(o.Passphrase)); err != nil {
			return nil, errors.New("the passphrase does not open the sshKey")
		}
	}
	if err != nil {
		return nil, errors.New("the sshKey is no private key in PEM form (-----BEGIN … PRIVATE KEY-----)")
	}
	return signer, nil
}

// limits bound what a server can make of its answer.
type limits struct {
	received int64  // bytes of a pack
	written  int64  // bytes of all files
	files    int    // and folders
	objects  uint32 // in a pack
	object   int64  // bytes of one object, unpacked: it is held in memory
	tree     int64  // bytes of a folder's or a commit's object
	refs     int64  // bytes of the list of references
}

func (o Options) limits() limits {
	if o.most != (limits{}) {
		return o.most
	}
	return limits{received: 2 << 30, written: 2 << 30, files: 100_000, objects: 2_000_000, object: 64 << 20, tree: 32 << 20, refs: 64 << 20}
}
