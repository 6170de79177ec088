package source

import (
	"bytes"
	"io"
	"path"
	"regexp"
	"strings"
)

const (
	gitData     = "git's own data"
	environment = "an environment file"
	privateKey  = "a private key"
	keyStore    = "a key store"
	kubeconfig  = "a kubeconfig"
	credentials = "credentials"
	terraform   = "state of Terraform, which holds secrets"

	// looked is how much of a file is read to judge it. The keys of a kubeconfig come after all its certificates.
	looked = 256 << 10
)

// The deny list, in lower case. A folder on it goes with all that is in it.
var (
	deniedBases = map[string]string{
		".git": gitData, ".env": environment, ".ssh": "keys of ssh",
		"id_rsa": privateKey, "id_dsa": privateKey, "id_ecdsa": privateKey, "id_ecdsa_sk": privateKey, "id_ed25519": privateKey, "id_ed25519_sk": privateKey,
		".netrc": credentials, "_netrc": credentials, ".git-credentials": credentials, ".dockercfg": credentials,
		"kubeconfig": kubeconfig, "terraform.tfstate": terraform, "terraform.tfstate.backup": terraform,
	}
	deniedPairs  = map[string]string{".kube/config": kubeconfig, ".aws/credentials": credentials, ".docker/config.json": credentials} // folder and name
	deniedEnds   = map[string]string{".p12": keyStore, ".pfx": keyStore, ".jks": keyStore, ".kdbx": keyStore, ".ppk": privateKey, ".kubeconfig": kubeconfig}
	environments = map[string]bool{".env.example": true, ".env.sample": true, ".env.template": true} // made to be shown

	pemKey   = regexp.MustCompile(`-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----`)
	kind     = regexp.MustCompile(`(?:^|[\s{,"])kind"?\s*:\s*["']?Config["']?\s*(?:[\s,}]|$)`)
	userData = regexp.MustCompile(`(?:^|[\s{,"])(?:client-key-data|token|password)"?\s*:\s*["']?[^\s"']`)
	npmToken = regexp.MustCompile(`(?m)^[^#;\n]*_(?:authToken|auth|password)[ \t]*=[ \t]*[^$\s]`) // not ${NPM_TOKEN}
	pypiPass = regexp.MustCompile(`(?m)^[ \t]*password[ \t]*[:=][ \t]*\S`)
)

// deniedName is why an entry is on the deny list whatever it holds, or empty. Case does not count: it does not on every disk.
func deniedName(name string) string {
	name = strings.ToLower(name)
	base := path.Base(name)
	if why := deniedBases[base]; why != "" {
		return why
	}
	if why := deniedPairs[path.Join(path.Base(path.Dir(name)), base)]; why != "" {
		return why
	}
	if strings.HasPrefix(base, ".env.") && !environments[base] {
		return environment
	}
	return deniedEnds[path.Ext(base)]
}

// deniedContent is why a file is on the deny list for what it holds, or empty. Only files whose name makes that likely are read.
func deniedContent(name string, read func() (io.ReadCloser, error)) (string, error) {
	judge := judges(strings.ToLower(path.Base(name)))
	if judge == nil {
		return "", nil
	}
	f, err := read()
	if err != nil {
		return "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, looked))
	if err != nil {
		return "", err
	}
	return judge(data), nil
}

// judges gives what can tell secrets in a file of that name, or nil.
func judges(base string) func([]byte) string {
	switch path.Ext(base) {
	case ".npmrc":
		return func(data []byte) string { return because(npmToken.Match(data), "a token of npm") }
	case ".pypirc":
		return func(data []byte) string { return because(pypiPass.Match(data), "a password of PyPI") }
	case ".pem", ".key":
		return func(data []byte) string { return because(pemKey.Match(data), privateKey) }
	case ".yaml", ".yml", ".json", ".conf":
		return func(data []byte) string { return because(isKubeconfig(data), kubeconfig) }
	case "":
		return func(data []byte) string {
			if at := pemKey.FindIndex(data[:min(len(data), 100)]); at != nil && len(bytes.TrimSpace(data[:at[0]])) == 0 {
				return privateKey
			}
			return because(isKubeconfig(data), kubeconfig)
		}
	}
	return nil
}

func because(yes bool, why string) string {
	if yes {
		return why
	}
	return ""
}

func isKubeconfig(data []byte) bool {
	return bytes.Contains(data, []byte("Config")) && kind.Match(data) && userData.Match(data)
}
