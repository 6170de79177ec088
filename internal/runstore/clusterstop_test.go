package runstore

import (
	"encoding/base64"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/engine"
	"plan/internal/errclass"
	"plan/internal/kube"
	"plan/internal/kube/kubetest"
	"plan/internal/lock/wiretest"
)

func TestTheWriterThatWasOvertakenWritesNothingMore(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		first := start(t, s)
		if err := first.Append(t.Context(), attempt(1)); err != nil {
			t.Fatal(err)
		}
		second, _, err := s.Open(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := first.Append(t.Context(), attempt(7)); !errors.Is(err, ErrForeignWriter) || errclass.Classify(err).Class != errclass.Lost {
				t.Errorf("the first one: %v", err)
			}
		}
		if err := second.Append(t.Context(), attempt(2)); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(upTo(2), attempts(t, s)); diff != "" {
			t.Error(diff)
		}
		if err := s.Delete(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		if err := second.Append(t.Context(), attempt(3)); !errors.Is(err, ErrForeignWriter) {
			t.Errorf("of a run that was deleted: %v", err)
		}
		if _, there := w.Server.Objects()[runPath]; there {
			t.Error("it was made again")
		}
	})
}

func TestSomebodyWhoLabelsARunIsNoOtherWriter(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		j := start(t, s)
		if _, err := w.Client(t).Patch(t.Context(), configMaps, "plan-run-a", []byte(`{"metadata":{"labels":{"team":"a"}}}`), kube.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(j.Append(t.Context(), attempt(1)), j.Append(t.Context(), attempt(2))); err != nil {
			t.Fatal(err)
		}
		if got := gjson.Get(w.Server.Objects()[runPath], "metadata.labels.team").String(); got != "a" {
			t.Errorf("the label is %q", got)
		}
	})
}

func TestCancelInAClusterIsHeardByWhoeverHasTheRun(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		start(t, s)
		for range 2 {
			if err := s.Cancel(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
		}
		heard := func() bool {
			t.Helper()
			asked, err := s.Cancelled(t.Context(), "a")
			if err != nil {
				t.Error(err)
			}
			return asked
		}
		if !heard() {
			t.Error("it was not heard")
		}
		j, _, err := s.Open(t.Context(), "a") // the process was moved
		if err != nil || !heard() {
			t.Errorf("the next process does not hear it: %v", err)
		}
		if err := j.Append(t.Context(), ended(130, engine.RunCancelled)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.Open(t.Context(), "a"); err != nil || heard() { // somebody resumes what was cancelled
			t.Errorf("it is cancelled again: %v", err)
		}
		if err := s.Cancel(t.Context(), "a"); !errors.Is(err, ErrNotRunning) {
			t.Errorf("of a run that has ended: %v", err)
		}
		w.Cut(true)
		if asked, err := s.Cancelled(t.Context(), "a"); err == nil || asked {
			t.Errorf("without an answer: %t, %v", asked, err)
		}
	})
}

func TestDeleteRemovesARequestToCancelToo(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		start(t, s)
		if err := errors.Join(s.Cancel(t.Context(), "a"), s.Delete(t.Context(), "a")); err != nil {
			t.Fatal(err)
		}
		for path := range w.Server.Objects() {
			if strings.Contains(path, "configmaps") {
				t.Errorf("left: %s", path)
			}
		}
	})
}

func TestWhatIsTooLargeIsAnErrorThatSaysWhatToDo(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		j := start(t, s)
		r := rand.New(rand.NewPCG(1, 1))
		var err error
		n := 0
		for ; err == nil && n < 100; n++ {
			noise := make([]byte, 30<<10)
			for i := range noise {
				noise[i] = byte(r.Uint32())
			}
			err = j.Append(t.Context(), engine.StepFinishedRecord{Step: "x", Error: base64.StdEncoding.EncodeToString(noise)})
		}
		if !errors.Is(err, errFull) || !strings.Contains(err.Error(), "--state local") || n < 25 {
			t.Errorf("after %d: %v", n, err)
		}
		entries, err := s.Read(t.Context(), "a")
		if err != nil || len(entries) != n {
			t.Errorf("%d entries, %v; %d were confirmed", len(entries), err, n)
		}
	})
}

func TestRefusalsAreErrorsAtOnce(t *testing.T) {
	virtual(t, func(t *testing.T, w *wiretest.Wire) {
		s := on(t, w)
		j := start(t, s)
		w.Server.Fail(kubetest.Fault{Path: "configmaps", Status: http.StatusForbidden})
		begin := time.Now()
		_, create := s.Create(t.Context(), "b", begun("b", t0))
		_, _, open := s.Open(t.Context(), "a")
		_, read := s.Read(t.Context(), "a")
		_, list := s.List(t.Context())
		_, cancelled := s.Cancelled(t.Context(), "a")
		for name, err := range map[string]error{
			"create": create, "open": open, "read": read, "list": list, "cancelled": cancelled, "append": j.Append(t.Context(), attempt(1)),
			"cancel": s.Cancel(t.Context(), "a"), "delete": s.Delete(t.Context(), "a"),
		} {
			if !apierrors.IsForbidden(err) || errors.Is(err, ErrForeignWriter) || errors.Is(err, ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if time.Since(begin) > time.Second {
			t.Errorf("it took %s", time.Since(begin))
		}
	})
}
