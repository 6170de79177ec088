// Package notify tells a web hook how a run went.
package notify

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"plan/internal/errclass"
	"plan/steps"
)

//go:embed schema.json
var schema []byte

//go:embed README.md
var doc string

// Kind describes the kind.
func Kind() steps.Kind {
	return steps.Kind{
		Name:    "notify",
		Schema:  schema,
		Doc:     doc,
		Outputs: []steps.Output{{Name: "code", Type: steps.Integer, Doc: "the HTTP status that the server answered"}},
		New:     func() steps.Action { return &Action{Method: http.MethodPost} },
	}
}

// Action is the step's with.
type Action struct {
	URL     steps.Secret           `yaml:"url"`
	Suffix  string                 `yaml:"suffix"`
	Method  string                 `yaml:"method"`
	Status  string                 `yaml:"status"`
	Message string                 `yaml:"message"`
	Headers map[string]steps.Value `yaml:"headers"`

	client *http.Client // nil is newClient's
}

// body is what is sent.
type body struct {
	Plan     string `json:"plan"`
	Run      string `json:"run"`
	Cluster  string `json:"cluster"`
	Status   string `json:"status"`
	Message  string `json:"message"`
	ExitCode int    `json:"exitCode"`
}

// Validate finds headers that cannot be sent or are named twice.
func (a *Action) Validate() error {
	seen := map[string]string{}
	for name := range a.Headers {
		if err := checkHeader(name); err != nil {
			return fmt.Errorf("with.headers: %w", err)
		}
		canonical := http.CanonicalHeaderKey(name)
		if other, ok := seen[canonical]; ok {
			return fmt.Errorf("with.headers: %q and %q are one header", min(name, other), max(name, other))
		}
		seen[canonical] = name
	}
	return nil
}

// Needs is empty: no store is used.
func (a *Action) Needs(steps.Scope) steps.Needs { return steps.Needs{} }

// Permissions has nothing: the cluster is not asked.
func (a *Action) Permissions(steps.Scope) []steps.Permission { return nil }

// Render gives nothing: no object is made.
func (a *Action) Render(steps.Scope) ([]runtime.Object, error) { return nil, nil }

// Plan tells that a request would be sent.
func (a *Action) Plan(_ context.Context, env *steps.Env) ([]steps.Change, error) {
	return []steps.Change{{Op: steps.Send, Target: where, Detail: a.Method + ", status " + a.status(env)}}, nil
}

// Run sends it. A repeated Run sends it again.
func (a *Action) Run(ctx context.Context, env *steps.Env) (steps.Result, error) {
	request, err := a.request(ctx, env)
	if err != nil {
		return steps.Result{}, fmt.Errorf("send notification: %w", err)
	}
	client := a.client
	if client == nil {
		client = newClient()
		defer client.CloseIdleConnections()
	}
	response, err := client.Do(request)
	if err != nil {
		return steps.Result{}, fmt.Errorf("send notification: %w", &ConnectionError{err: err})
	}
	_ = response.Body.Close() // what it says is of no use, and may have no end
	if response.StatusCode/100 != 2 {
		wait := errclass.ParseRetryAfter(response.Header.Get("Retry-After"), env.Now())
		return steps.Result{}, fmt.Errorf("send notification: %w", &StatusError{code: response.StatusCode, wait: wait})
	}
	return steps.Result{
		Outputs: map[string]any{"code": int64(response.StatusCode)},
		Reason:  fmt.Sprintf("answered %d", response.StatusCode),
	}, nil
}

func (a *Action) status(env *steps.Env) string {
	if a.Status != "" {
		return a.Status
	}
	return env.Run.Outcome
}

func (a *Action) request(ctx context.Context, env *steps.Env) (*http.Request, error) {
	raw, err := env.Secret(a.URL.Value())
	if err != nil {
		return nil, err
	}
	target, err := join(raw, a.Suffix)
	if err != nil {
		return nil, err
	}
	var content bytes.Buffer
	if a.Method != http.MethodGet {
		encoder := json.NewEncoder(&content)
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(body{
			Plan: env.Scope.Plan, Run: env.Scope.Run, Cluster: env.Cluster.Name,
			Status: a.status(env), Message: a.Message, ExitCode: env.Run.ExitCode,
		})
		if err != nil {
			return nil, fmt.Errorf("encode the body: %w", err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, a.Method, "https://"+placeholder, &content)
	if err != nil {
		return nil, fmt.Errorf("make the request: %w", err)
	}
	request.URL, request.Host = target, target.Host
	return request, a.setHeaders(request, env)
}

func (a *Action) setHeaders(request *http.Request, env *steps.Env) error {
	request.Header.Set("User-Agent", "plan")
	if request.ContentLength > 0 {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, field := range a.Headers {
		value, err := env.Secret(field)
		if err != nil {
			return err
		}
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return fmt.Errorf("the value of header %s has a line break or another control character", name)
		}
		request.Header.Set(name, value)
	}
	return nil
}
