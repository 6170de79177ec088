package nodetoken_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"plan/internal/bitwarden"
	"plan/internal/bitwarden/bwtest"
	"plan/internal/checks/nodetoken"
	"plan/internal/checks/verify"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	tokens "plan/internal/nodetoken"
	"plan/internal/objectstore"
	"plan/internal/retention/retentiontest"
	"plan/steps"
	"plan/steps/steptest"
)

func TestNoFaultOfTheClusterReadsAsNoTokenOrAsAPass(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(current))
	good := fmt.Sprintf(`{"metadata":{"name":"node-token","namespace":"backup"},"data":{"token":%q}}`, encoded)
	cases := map[string]struct {
		secret  string
		fault   kubetest.Fault
		found   string
		verdict steps.Verdict
		again   bool
	}{
		"kept":          {good, kubetest.Fault{}, "OK=pass NOT_COMPARED=none NOT_COMPARED=none", steps.Pass, false},
		"no Secret":     {"", kubetest.Fault{}, "NO_TOKEN=fail", steps.Fail, false},
		"no such key":   {strings.Replace(good, `"token"`, `"tokens"`, 1), kubetest.Fault{}, "NO_TOKEN=fail", steps.Fail, false},
		"empty key":     {strings.Replace(good, encoded, "", 1), kubetest.Fault{}, "NO_TOKEN=fail", steps.Fail, false},
		"a certificate": {strings.Replace(good, encoded, base64.StdEncoding.EncodeToString([]byte("-----BEGIN\ncanary-")), 1), kubetest.Fault{}, "NOT_A_TOKEN=fail", steps.Fail, false},
		"not base64":    {strings.Replace(good, encoded, "%%", 1), kubetest.Fault{}, "UNREADABLE=unknown", steps.Unknown, false},
		"denied":        {good, kubetest.Fault{Path: "secrets", Status: 403}, "NOT_ALLOWED=unknown", steps.Unknown, false},
		"unauthorized":  {good, kubetest.Fault{Path: "secrets", Status: 401}, "NOT_ALLOWED=unknown", steps.Unknown, false},
		"broken":        {good, kubetest.Fault{Path: "secrets", Status: 500}, "UNREACHABLE=unknown", steps.Unknown, true},
		"throttled":     {good, kubetest.Fault{Path: "secrets", Status: 429}, "UNREACHABLE=unknown", steps.Unknown, true},
		"proxy's 404":   {good, kubetest.Fault{Path: "secrets", Status: 404, Plain: true}, "UNREADABLE=unknown", steps.Unknown, false},
		"cut":           {good, kubetest.Fault{Path: "secrets", Cut: 30}, "UNREACHABLE=unknown", steps.Unknown, true},
		"cut honestly":  {good, kubetest.Fault{Path: "secrets", Cut: 30, Honest: true}, "UNREACHABLE=unknown", steps.Unknown, true},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			w := steptest.NewWorld(t)
			if tc.secret != "" {
				w.Kube.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", tc.secret)
			}
			if tc.fault.Path != "" {
				w.Kube.Fail(tc.fault)
			}
			c := nodetoken.New()
			c.In.Kubernetes = &tokens.Kubernetes{Namespace: "backup", Name: "node-token"}
			result, err := verify.Run(t.Context(), w.Env, &c)
			if got := findings(t, result); got != tc.found || result.Verdict != tc.verdict || (err != nil) != tc.again {
				t.Errorf("%s, verdict %s, %v", got, result.Verdict, err)
			}
			hidden(t, result, err, w.Said())
		})
	}
}

// vault is what a Bitwarden server has and does, and what is found then.
type vault struct {
	fault   bwtest.Fault
	values  []string
	found   string
	verdict steps.Verdict
	again   bool
}

func vaults() map[string]vault {
	return map[string]vault{
		"kept":           {bwtest.Fault{}, []string{current}, "OK=pass NOT_COMPARED=none NOT_COMPARED=none", steps.Pass, false},
		"none":           {bwtest.Fault{}, nil, "NO_TOKEN=fail", steps.Fail, false},
		"two of the key": {bwtest.Fault{}, []string{current, current}, "AMBIGUOUS=unknown", steps.Unknown, false},
		"something else": {bwtest.Fault{}, []string{"user: canary-\npassword"}, "NOT_A_TOKEN=fail", steps.Fail, false},
		"login refused":  {bwtest.Refused().For(-1), []string{current}, "NOT_ALLOWED=unknown", steps.Unknown, false},
		"denied":         {bwtest.Status(403).At(bwtest.ListProject).For(-1), []string{current}, "NOT_ALLOWED=unknown", steps.Unknown, false},
		"404":            {bwtest.Status(404).At(bwtest.ListProject).For(-1), []string{current}, "NOT_ALLOWED=unknown", steps.Unknown, false},
		"404 on reading": {bwtest.Status(404).At(bwtest.GetSecret).For(-1), []string{current}, "NOT_ALLOWED=unknown", steps.Unknown, false},
		"not granted":    {bwtest.EmptyList().At(bwtest.ListProjects).For(-1), []string{current}, "NOT_ALLOWED=unknown", steps.Unknown, false},
		"unreachable":    {bwtest.Status(503).For(-1), []string{current}, "UNREACHABLE=unknown", steps.Unknown, true},
		"hangs":          {bwtest.Hang().For(-1), []string{current}, "UNREACHABLE=unknown", steps.Unknown, true},
		"429":            {bwtest.TooMany("3600").For(-1), []string{current}, "UNREACHABLE=unknown", steps.Unknown, true},
		"429 for a bit":  {bwtest.TooMany("3").For(2), []string{current}, "OK=pass NOT_COMPARED=none NOT_COMPARED=none", steps.Pass, false},
		"tampered":       {bwtest.Tampered().At(bwtest.GetSecret).For(-1), []string{current}, "UNREADABLE=unknown", steps.Unknown, false},
		"foreign key":    {bwtest.ForeignKey().At(bwtest.GetSecret).For(-1), []string{current}, "UNREADABLE=unknown", steps.Unknown, false},
		"type 0":         {bwtest.TypeZero().At(bwtest.GetSecret).For(-1), []string{current}, "UNREADABLE=unknown", steps.Unknown, false},
		"a proxy's page": {bwtest.HTML().At(bwtest.GetSecret).For(-1), []string{current}, "UNREACHABLE=unknown", steps.Unknown, false},
		"cut":            {bwtest.Truncate().At(bwtest.GetSecret).For(-1), []string{current}, "UNREACHABLE=unknown", steps.Unknown, true},
	}
}

func TestNoFaultOfBitwardenReadsAsNoTokenOrAsAPass(t *testing.T) {
	for name, tc := range vaults() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := bwtest.New()
				project := s.AddProject("homelab")
				for _, v := range tc.values {
					s.AddSecret(project, "k3s-node-token-home", v)
				}
				if tc.fault.Do != nil {
					s.FailNext(tc.fault)
				}
				client, err := bitwarden.New(bitwarden.Config{ServerURL: "https://vault.test.invalid", HTTP: s.Client()}, s.AddMachineAccount("a"))
				said := ""
				env := &steps.Env{
					Cluster: steps.Cluster{Name: "home"}, Bitwarden: func() (*bitwarden.Client, error) { return client, err }, Hide: func(string) {},
					Store: func(string) (objectstore.Store, error) { return &retentiontest.Store{}, nil },
					Log:   func(format string, args ...any) { said += fmt.Sprintf(format, args...) },
				}
				c := nodetoken.New()
				c.In.Bitwarden = &tokens.Bitwarden{Project: "homelab"}
				result, err := verify.Run(t.Context(), env, &c)
				if got := findings(t, result); got != tc.found || result.Verdict != tc.verdict || (err != nil) != tc.again {
					t.Errorf("%s, verdict %s, %v: %s", got, result.Verdict, err, result.Reason)
				}
				hidden(t, result, err, said)
				if strings.Contains(name, "404") && !strings.Contains(said, "Bitwarden answers 404 to both alike") {
					t.Errorf("what a 404 means is not said: %s", said)
				}
				for _, r := range s.Requests() {
					if r.Method != http.MethodGet && r.Endpoint != bwtest.Login {
						t.Errorf("it wrote: %s %s", r.Method, r.Path)
					}
				}
			})
		})
	}
}
