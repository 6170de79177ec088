package source

import (
	"strings"
	"testing"
)

const (
	pem    = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
	key    = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
	config = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: CERT\nkind: Config\nusers:\n- name: a\n  user:\n    client-key-data: LS0t\n"
)

func TestSecretsAreNotPacked(t *testing.T) {
	for name, c := range map[string]struct{ text, why string }{
		".git/HEAD":                {"", gitData},
		"sub/.git":                 {"gitdir: ../.git/modules/sub", gitData},
		".env":                     {"", environment},
		"a/b/.ENV":                 {"", environment},
		".env.production":          {"", environment},
		".env.example":             {"", ""},
		".env.sample":              {"", ""},
		".env.template":            {"", ""},
		".environment":             {"", ""},
		"prod.env":                 {"", ""},
		".env/bin/python":          {"", environment},
		"keys/id_rsa":              {"", privateKey},
		"id_ed25519":               {"", privateKey},
		"id_ed25519.pub":           {"", ""},
		".ssh/config":              {"", "keys of ssh"},
		"tls.key":                  {pem + key, privateKey},
		"tls.pem":                  {strings.Repeat(pem, 300) + key, privateKey},
		"ca.pem":                   {pem, ""},
		"piano.key":                {"C major", ""},
		"pgp.key":                  {"-----BEGIN PGP PRIVATE KEY BLOCK-----\n", privateKey},
		"deploy_key":               {"\n" + key, privateKey},
		"notes":                    {"a key starts with " + key, ""},
		"key.go":                   {"const key = `" + key, ""},
		"a.p12":                    {"", keyStore},
		"a.PFX":                    {"", keyStore},
		"a.jks":                    {"", keyStore},
		"a.kdbx":                   {"", keyStore},
		"a.ppk":                    {"", privateKey},
		".kube/config":             {"", kubeconfig},
		"config":                   {"", ""},
		"kubeconfig":               {"", kubeconfig},
		"prod.kubeconfig":          {"", kubeconfig},
		"k3s.yaml":                 {strings.Replace(config, "CERT", strings.Repeat("A", 3000), 1), kubeconfig},
		"admin.conf":               {config, kubeconfig},
		"cluster":                  {config, kubeconfig},
		"token.yml":                {"kind: Config\nusers:\n- user: {token: abc}\n", kubeconfig},
		"c.json":                   {`{"kind":"Config","users":[{"user":{"token":"abc"}}]}`, kubeconfig},
		"exec.yaml":                {"kind: Config\nusers:\n- user: {exec: {command: aws}}\n", ""},
		"map.yaml":                 {"kind: ConfigMap\ndata: {token: abc}\n", ""},
		"skaffold.yaml":            {"apiVersion: skaffold/v2\nkind: Config\n", ""},
		".netrc":                   {"", credentials},
		"home/.git-credentials":    {"", credentials},
		".aws/credentials":         {"", credentials},
		".aws/config":              {"", ""},
		".docker/config.json":      {"", credentials},
		".npmrc":                   {"//registry.npmjs.org/:_authToken=npm_abc\n", "a token of npm"},
		"a/.npmrc":                 {"//registry.npmjs.org/:_authToken=${NPM_TOKEN}\nsave-exact=true\n", ""},
		".pypirc":                  {"[pypi]\nusername = __token__\npassword = pypi-abc\n", "a password of PyPI"},
		"b/.pypirc":                {"[distutils]\nindex-servers = pypi\n", ""},
		"terraform.tfstate":        {"", terraform},
		"terraform.tfstate.backup": {"", terraform},
		"main.tf":                  {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := files{name: c.text}.make(t, t.TempDir())
			a := packed(t, dir, Options{})
			if _, there := contents(t, a)[name]; there != (c.why == "") {
				t.Errorf("packed: %v", there)
			}
			if c.why == "" && len(a.Left) > 0 || c.why != "" && (len(a.Left) != 1 || a.Left[0].Why != c.why || !a.Left[0].Denied) {
				t.Errorf("left out: %+v, want %q", a.Left, c.why)
			}
			if again := packed(t, dir, Options{Include: []string{name}}); contents(t, again)[name] == "" {
				t.Errorf("an include that names it does not bring it back; left out: %+v", again.Left)
			}
		})
	}
}
