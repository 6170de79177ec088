package stores

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"plan/internal/secrets"
)

const canary = "canary-51b7"

const full = `
s3:
  endpoint: s3.example.net
  region: {from: {env: REGION}}
  bucket: home-backups
  pathStyle: true
  caFile: ca.pem
  insecure: true
  credentials:
    accessKey: {from: {bitwarden: {id: 11111111-1111-4111-8111-111111111111}}}
    secretKey: {from: {env: S3_SECRET_KEY}}
    sessionToken: {from: {file: token}}
`

func decode(t *testing.T, text string) Spec {
	t.Helper()
	var s Spec
	if err := yaml.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// resolve gives each source's name as its value.
func resolve(v secrets.Value) (string, error) { return v.String(), nil }

func TestDecodeAndResolve(t *testing.T) {
	s := decode(t, full)
	var paths []string
	for _, f := range s.Fields() {
		paths = append(paths, f.Path+" = "+f.Value.String())
	}
	want := []string{"s3.bucket = home-backups", "s3.endpoint = s3.example.net", "s3.region = env REGION",
		"s3.credentials.accessKey = bitwarden 11111111-1111-4111-8111-111111111111", "s3.credentials.secretKey = env S3_SECRET_KEY",
		"s3.credentials.sessionToken = file token"}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c, err := s.S3.config(s.Fields(), resolve)
	if err != nil || c.Bucket != "home-backups" || c.Region != "env REGION" || c.SecretKey != "env S3_SECRET_KEY" || c.SessionToken != "file token" ||
		!c.PathStyle || !c.Insecure {
		t.Errorf("%v, %v", c, err)
	}
}

func TestSecretKeyTakesNoLiteral(t *testing.T) {
	var s Spec
	err := yaml.Unmarshal([]byte("s3: {bucket: b, credentials: {accessKey: a, secretKey: "+canary+"}}"), &s)
	if err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("%v", err)
	}
}

func TestValidate(t *testing.T) {
	tests := map[string]string{
		"{}":                         "want s3 or dir",
		"{s3: {bucket: b}, dir: {}}": "want s3 or dir, not both",
		"{dir: {}}":                  "dir.path is missing",
		"{s3: {}}":                   "s3.bucket is missing",
		"{s3: {credentials: {}}}":    "s3.bucket is missing\ns3.credentials.accessKey is missing\ns3.credentials.secretKey is missing",
		"{s3: {bucket: b}}":          "",
		"{dir: {path: ./b}}":         "",
		"{s3: {bucket: {from: {env: B}}, credentials: {accessKey: a, secretKey: {from: {env: S}}}}}": "",
	}
	for text, want := range tests {
		got := ""
		if err := decode(t, text).Validate(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestDescribe(t *testing.T) {
	tests := map[string]string{
		"{dir: {path: ./b}}":                                                     "dir /plans/b",
		"{dir: {path: /b}}":                                                      "dir /b",
		"{s3: {bucket: b}}":                                                      "s3://b at AWS",
		"{s3: {bucket: b, region: eu-central-1}}":                                "s3://b at AWS eu-central-1",
		"{s3: {bucket: b, endpoint: s3.example.net}}":                            "s3://b at https://s3.example.net",
		"{s3: {bucket: b, endpoint: \"http://127.0.0.1:9000/\"}}":                "s3://b at http://127.0.0.1:9000",
		"{s3: {bucket: {from: {env: B}}, endpoint: {from: {file: ./endpoint}}}}": "s3://(env B) at (file ./endpoint)",
	}
	for text, want := range tests {
		if got := Describe(decode(t, text), "/plans"); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestOpen(t *testing.T) {
	folder := t.TempDir()
	tests := map[string]struct{ text, want string }{
		"dir":    {"{dir: {path: b}}", "dir:" + folder + "/b"},
		"s3":     {"{s3: {bucket: bkt, endpoint: s3.example.net, region: r, credentials: {accessKey: a, secretKey: {from: {env: S}}}}}", "s3://bkt at https://s3.example.net"},
		"no key": {"{s3: {bucket: bkt, endpoint: s3.example.net}}", "s3://bkt at https://s3.example.net"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			st, err := Open(t.Context(), decode(t, tc.text), resolve, folder)
			if err != nil || fmt.Sprint(st) != tc.want {
				t.Errorf("%v, %v", st, err)
			}
		})
	}
}

func TestOpenNamesTheField(t *testing.T) {
	no := errors.New("not read")
	_, err := Open(t.Context(), decode(t, full), func(v secrets.Value) (string, error) {
		if v.From != nil {
			return "", no
		}
		return v.Literal, nil
	}, t.TempDir())
	if !errors.Is(err, no) || !strings.Contains(err.Error(), "s3.region: ") || !strings.Contains(err.Error(), "s3.credentials.secretKey: ") {
		t.Errorf("%v", err)
	}
	if _, err := Open(t.Context(), decode(t, full), resolve, t.TempDir()); err == nil || !strings.Contains(err.Error(), "CA file") {
		t.Errorf("a caFile that is missing: %v", err)
	}
}

func TestFromURL(t *testing.T) {
	s3 := func(s S3) Spec { return Spec{S3: &s} }
	bucket := secrets.Value{Literal: "bkt"}
	tests := map[string]struct {
		want   Spec
		prefix string
	}{
		"s3://bkt":             {s3(S3{Bucket: bucket}), ""},
		"s3://bkt/":            {s3(S3{Bucket: bucket}), ""},
		"s3://bkt/pv-backups/": {s3(S3{Bucket: bucket}), "pv-backups/"},
		"s3://bkt/p?endpoint=https://h:9000&region=r&pathStyle=true&insecure=false&caFile=./ca.pem": {s3(S3{Bucket: bucket,
			Endpoint: secrets.Value{Literal: "https://h:9000"}, Region: secrets.Value{Literal: "r"}, PathStyle: true, CAFile: "./ca.pem"}), "p"},
		"dir:./b":       {Spec{Dir: &Dir{Path: "./b"}}, ""},
		"dir:///b":      {Spec{Dir: &Dir{Path: "/b"}}, ""},
		"dir:/a b?c=%2": {Spec{Dir: &Dir{Path: "/a b?c=%2"}}, ""},
	}
	for text, tc := range tests {
		got, prefix, err := FromURL(text)
		if diff := cmp.Diff(tc.want, got); err != nil || prefix != tc.prefix || diff != "" {
			t.Errorf("%s: prefix %q, %v, -want +got:\n%s", text, prefix, err, diff)
		}
	}
	for _, text := range []string{"", "main", "https://h/b", "s3:bkt", "s3:///key", "dir:", "s3://bkt#x", "s3://bkt?region=", "s3://bkt?region=a&region=b",
		"s3://bkt?pathStyle=maybe", "s3://key:" + canary + "@bkt", "s3://bkt?secretKey=" + canary, "s3://bkt/%zz" + canary} {
		if _, _, err := FromURL(text); err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
