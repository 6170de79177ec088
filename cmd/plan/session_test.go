package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/bitwarden"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore"
	"plan/internal/runstore"
	"plan/internal/secrets"
	"plan/schema"
)

// A server that never answers is an unreachable one, and never holds a run up.
func TestQuestionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := bounded(t.Context(), secretsTimeout, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		if took := time.Since(began); took != 2*time.Minute || exitCode(err) != engine.ExitUnreachable {
			t.Errorf("took %s, exit code %d: %v", took, exitCode(err), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err = bounded(ctx, openTimeout, func(ctx context.Context) error { return ctx.Err() })
		if !errors.Is(err, context.Canceled) || errors.As(err, new(exit)) {
			t.Errorf("an interrupt is no unreachable server: %v", err)
		}
		if err := bounded(t.Context(), openTimeout, func(context.Context) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

func TestExitCodeOfErrorsBeforeTheFirstStep(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"usage":                         {usage(errors.New("what?")), engine.ExitInvalid},
		"a fault of the plan":           {schema.Problems{{Message: "no"}}, engine.ExitInvalid},
		"no kubeconfig":                 {fmt.Errorf("x: %w", kube.ErrNoConfig), engine.ExitInvalid},
		"no such context":               {kube.ErrNoContext, engine.ExitInvalid},
		"no bucket":                     {storeError("main", objectstore.ErrNoBucket), engine.ExitInvalid},
		"may not list":                  {storeError("main", objectstore.ErrDenied), engine.ExitDenied},
		"store is busy":                 {storeError("main", &objectstore.Error{Status: http.StatusServiceUnavailable}), engine.ExitUnreachable},
		"DNS":                           {&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, engine.ExitUnreachable},
		"secret missing":                {&secrets.Error{Kind: secrets.Missing, Err: errors.New("x")}, engine.ExitInvalid},
		"secret denied":                 {&secrets.Error{Kind: secrets.Denied, Err: bitwarden.ErrInvalidClient}, engine.ExitDenied},
		"secret unreachable":            {&secrets.Error{Kind: secrets.Unreachable, Err: refused}, engine.ExitUnreachable},
		"missing comes before the rest": {errors.Join(&secrets.Error{Kind: secrets.Unreachable, Err: refused}, &secrets.Error{Kind: secrets.Missing, Err: refused}), engine.ExitInvalid},
		"nothing known":                 {errors.New("odd"), engine.ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			if got := exitCode(tc.err); got != tc.want {
				t.Errorf("exitCode(%v) = %d, want %d", tc.err, got, tc.want)
			}
		})
	}
}

// TestAClusterKeepsTheNewestRunsOfAPlan: the record of a nightly run is in etcd, and goes when thirty newer ones are there. Those of other plans
// stay.
func TestAClusterKeepsTheNewestRunsOfAPlan(t *testing.T) {
	s := kubetest.New(t)
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{apiVersion: v1, kind: Config, current-context: a, clusters: [{name: a, cluster: {server: %q}}], users: [{name: a, user: {}}], contexts: [{name: a, context: {cluster: a, user: a}}]}`, s.Config().Host)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBECONFIG", kubeconfig)
	runs := func(plan string, n int) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "plan.yaml")
		if err := os.WriteFile(file, []byte("apiVersion: plan/v1\nkind: Plan\nmetadata: {name: "+plan+"}\nspec: {steps: [{id: a, uses: list-pvs}]}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if code, out, talk := call(t, "apply", file, "--state", "cluster", "--run-id", fmt.Sprintf("%s-%02d", plan, i)); code != 0 {
				t.Fatalf("exit %d\n%s%s", code, out, talk)
			}
		}
	}
	runs("other", 2)
	runs("nightly", keepInCluster+3)
	left := map[string]int{}
	for path := range s.Objects() {
		if name, ok := strings.CutPrefix(path, "/api/v1/namespaces/default/configmaps/plan-run-"); ok {
			plan, _, _ := strings.Cut(name, "-")
			left[plan]++
			if name < "nightly-03" && plan == "nightly" {
				t.Errorf("%s is older than others that went", name)
			}
		}
	}
	if left["nightly"] != keepInCluster || left["other"] != 2 {
		t.Errorf("left are %v", left)
	}
}

// TestARunWhoseRecordIsOutOfReachIsHandedOn: the exit code tells a Job whether its next pod shall go on.
func TestARunWhoseRecordIsOutOfReachIsHandedOn(t *testing.T) {
	unreachable := fmt.Errorf("write the journal of run a: %w", kube.TimedOut(t.Context(), time.Minute, context.DeadlineExceeded))
	denied := apierrors.NewForbidden(corev1.Resource("configmaps"), "plan-run-a", errors.New("no"))
	for name, tc := range map[string]struct {
		inCluster bool
		code      int
		err       error
		want      int
	}{
		"its end":                          {true, 1, nil, 1},
		"no answer":                        {true, 1, unreachable, 5},
		"no answer after SIGTERM":          {true, 143, unreachable, 143},
		"a disk":                           {false, 1, unreachable, 1},
		"no right":                         {true, 1, denied, 1},
		"another process has it":           {true, 1, fmt.Errorf("write: %w", runstore.ErrForeignWriter), 5},
		"another process has it, here too": {false, 0, fmt.Errorf("write: %w", runstore.ErrForeignWriter), 5},
	} {
		e := &execution{session: &session{recordsInCluster: tc.inCluster}}
		if got := e.exitCode(engine.RunResult{ExitCode: tc.code, Err: tc.err}); got != tc.want {
			t.Errorf("%s: exit code %d, want %d", name, got, tc.want)
		}
	}
}
