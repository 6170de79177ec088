package secrets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"plan/internal/bitwarden"
)

const canary = "canary-7f3a9c"

func env(pairs map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := pairs[name]; return v, ok }
}

type fakeKube struct {
	mu     sync.Mutex
	values map[Kubernetes]string
	errs   []error // given out first
	reads  []Kubernetes
}

func (f *fakeKube) SecretKey(_ context.Context, namespace, name, key string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k := Kubernetes{namespace, name, key}
	f.reads = append(f.reads, k)
	if len(f.errs) > 0 {
		err := f.errs[0]
		f.errs = f.errs[1:]
		return nil, err
	}
	v, ok := f.values[k]
	if !ok {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name)
	}
	return []byte(v), nil
}

func TestCleanOfValues(t *testing.T) {
	tests := map[string]struct {
		raw, want string
		err       error
	}{
		"as it is":         {"v", "v", nil},
		"newline":          {"v\n", "v", nil},
		"CR LF":            {"v\r\n", "v", nil},
		"only one newline": {"v\n\n", "v\n", nil},
		"CR stays":         {"v\r", "v\r", nil},
		"blanks stay":      {" v ", " v ", nil},
		"empty":            {"", "", errEmpty},
		"only a newline":   {"\r\n", "", errEmpty},
		"64 KiB":           {strings.Repeat("v", MaxSize) + "\r\n", strings.Repeat("v", MaxSize), nil},
		"more":             {strings.Repeat("v", MaxSize+1), "", errTooLong},
		"not UTF-8":        {"v\xff", "", errNotUTF8},
	}
	for name, tc := range tests {
		if got, err := clean(tc.raw); got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestReadLoadTime(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "real"), canary+"\n")
	if err := os.Symlink("real", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	r := NewResolver(Options{BaseDir: dir, LookupEnv: env(map[string]string{"TOKEN": "from-env"})})
	for field, s := range map[string]Source{"a": {Env: "TOKEN"}, "b": {File: "real"}, "c": {File: "link"}, "d": {File: filepath.Join(dir, "real")}} {
		r.Add(field, s)
	}
	if err := r.ReadLoadTime(); err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]Source{"from-env": {Env: "TOKEN"}, canary: {File: "link"}} {
		if got, err := r.Value(Value{From: &s}); got != want || err != nil {
			t.Errorf("%v: %q, %v", s, got, err)
		}
	}
	if got, err := r.Value(Value{Literal: "x"}); got != "x" || err != nil {
		t.Errorf("literal: %q, %v", got, err)
	}
	if got := r.Masker().Mask("it is " + canary); got != "it is ***" {
		t.Errorf("masked %q", got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReadLoadTimeTellsAllProblemsAtOnce(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "binary"), canary+"\xff")
	write(t, filepath.Join(dir, "huge"), strings.Repeat(canary, MaxSize))
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := NewResolver(Options{BaseDir: dir, LookupEnv: env(map[string]string{"EMPTY": ""})})
	r.Add("with.url", Source{Env: "UNSET"})
	r.Add("with.token", Source{Env: "UNSET"})
	for _, s := range []Source{{Env: "EMPTY"}, {File: "none"}, {File: "none/below"}, {File: "fifo"}, {File: "/dev/zero"}, {File: "."}, {File: "binary"}, {File: "huge"}} {
		r.Add("field of "+s.String(), s)
	}
	err := r.ReadLoadTime()
	var got []string
	for _, p := range Problems(err) {
		got = append(got, fmt.Sprintf("%s | %s | %s | %v", p.Field, p.Source, p.Kind, p.Err))
	}
	want := []string{
		"with.url, with.token | env UNSET | missing | is not set",
		"field of env EMPTY | env EMPTY | invalid | is empty",
		"field of file none | file none | missing | no such file or directory",
		"field of file none/below | file none/below | missing | no such file or directory",
		"field of file fifo | file fifo | invalid | is not a regular file",
		"field of file /dev/zero | file /dev/zero | invalid | is not a regular file",
		"field of file . | file . | invalid | is not a regular file",
		"field of file binary | file binary | invalid | is not UTF-8 text",
		"field of file huge | file huge | invalid | is longer than 64 KiB",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if strings.Contains(err.Error(), canary) {
		t.Errorf("a value is in %v", err)
	}
	if first := "with.url, with.token: read env UNSET: is not set (set the variable UNSET, or name another source)"; !strings.HasPrefix(err.Error(), first+"\n") {
		t.Errorf("message %v", err)
	}
}

func TestReadAllReadsEqualKubernetesSourcesOnce(t *testing.T) {
	k := &fakeKube{values: map[Kubernetes]string{{"ns", "s", "a"}: canary + "\n", {"ns", "s", "b"}: "bbbb"}}
	r := NewResolver(Options{LookupEnv: env(nil)})
	named, implied, other := Source{Kubernetes: Kubernetes{"ns", "s", "a"}}, Source{Kubernetes: Kubernetes{"", "s", "a"}}, Source{Kubernetes: Kubernetes{"ns", "s", "b"}}
	unused := Source{Kubernetes: Kubernetes{"ns", "never", "x"}}
	all := []Source{named, implied, other, named}
	for _, s := range append(all, unused) {
		r.Add("f", s)
	}
	for range 2 {
		if err := r.ReadAll(t.Context(), Clients{Kubernetes: k, Namespace: "ns"}, all); err != nil {
			t.Fatal(err)
		}
	}
	if len(k.reads) != 2 {
		t.Errorf("reads %v", k.reads)
	}
	for _, s := range []Source{named, implied} {
		if got, err := r.Value(Value{From: &s}); got != canary || err != nil {
			t.Errorf("%v: %q, %v", s, got, err)
		}
	}
	if _, err := r.Value(Value{From: &unused}); err == nil {
		t.Error("a source that was not read has a value")
	}
}

func TestReadAllKubernetesErrors(t *testing.T) {
	secretsOf := schema.GroupResource{Resource: "secrets"}
	tests := map[string]struct {
		err  error
		kind Kind
		next string
	}{
		"forbidden": {apierrors.NewForbidden(secretsOf, "s", errors.New("no rule")), Denied, "allow get on secret s in namespace ns"},
		"not found": {apierrors.NewNotFound(secretsOf, "s"), Missing, "create it"},
		"no key":    {errors.New(`no key "k" (it has a, b)`), Invalid, ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			k := &fakeKube{errs: []error{tc.err}}
			r := NewResolver(Options{LookupEnv: env(nil)})
			s := Source{Kubernetes: Kubernetes{"ns", "s", "k"}}
			r.Add("with.url", s)
			err := r.ReadAll(t.Context(), Clients{Kubernetes: k}, r.Sources())
			kind, ok := Worst(err)
			if !ok || kind != tc.kind || !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.next) ||
				!strings.HasPrefix(err.Error(), "with.url: read kubernetes ns/s key k: ") {
				t.Errorf("%v: %v", kind, err)
			}
			if len(k.reads) != 1 {
				t.Errorf("%d reads", len(k.reads))
			}
		})
	}
	t.Run("no cluster", func(t *testing.T) {
		r := NewResolver(Options{LookupEnv: env(nil)})
		r.Add("with.url", Source{Kubernetes: Kubernetes{"ns", "s", "k"}})
		if kind, ok := Worst(r.ReadAll(t.Context(), Clients{}, r.Sources())); !ok || kind != Invalid {
			t.Errorf("%v %v", kind, ok)
		}
	})
}

func TestReadAllAsksAgainWhatMayPass(t *testing.T) {
	reset := fmt.Errorf("get secret ns/s: %w", syscall.ECONNRESET)
	tests := map[string]struct {
		errs  []error
		reads int
		ok    bool
	}{
		"passes":             {[]error{reset, apierrors.NewTooManyRequests("slow", 20)}, 3, true},
		"lasts":              {[]error{reset, reset, reset, reset}, 3, false},
		"refused afterwards": {[]error{reset, apierrors.NewUnauthorized("x")}, 2, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := &fakeKube{values: map[Kubernetes]string{{"ns", "s", "k"}: canary}, errs: tc.errs}
				r := NewResolver(Options{LookupEnv: env(nil)})
				r.Add("f", Source{Kubernetes: Kubernetes{"ns", "s", "k"}})
				err := r.ReadAll(t.Context(), Clients{Kubernetes: k}, r.Sources())
				if (err == nil) != tc.ok || len(k.reads) != tc.reads {
					t.Errorf("%d reads, %v", len(k.reads), err)
				}
			})
		})
	}
}

func TestReadAllEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("interrupted")
	cancel(stopped)
	r := NewResolver(Options{LookupEnv: env(nil)})
	r.Add("f", Source{Kubernetes: Kubernetes{"ns", "s", "k"}})
	err := r.ReadAll(ctx, Clients{Kubernetes: &fakeKube{errs: []error{context.Canceled}}}, r.Sources())
	if _, ok := Worst(err); ok || !errors.Is(err, stopped) {
		t.Errorf("%v", err)
	}
}

func TestBitwardenNeedsAnAccessToken(t *testing.T) {
	tests := map[string]struct {
		spec BitwardenSpec
		want string
	}{
		"none":           {BitwardenSpec{}, "no access token is given"},
		"from bitwarden": {BitwardenSpec{AccessToken: Secret{&Source{Bitwarden: Bitwarden{ID: id}}}}, "cannot come from bitwarden itself"},
		"unset variable": {BitwardenSpec{AccessToken: Secret{&Source{Env: "BWS_ACCESS_TOKEN"}}}, TokenField + ": read env BWS_ACCESS_TOKEN: is not set"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			r := NewResolver(Options{LookupEnv: env(nil), Bitwarden: tc.spec, Open: func(bitwarden.Config, string) (BitwardenReader, error) {
				t.Error("a client was made")
				return nil, errors.New("no")
			}})
			r.Add("f", Source{Bitwarden: Bitwarden{ID: id}})
			for _, err := range []error{r.ReadLoadTime(), r.ReadAll(t.Context(), Clients{}, r.Sources())} {
				if err == nil || !strings.Contains(err.Error(), tc.want) || len(Problems(err)) != 1 {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// TestWhatNeedsNoTokenIsReadWithoutOne: that nobody can log in to Bitwarden keeps no other value from being read.
func TestWhatNeedsNoTokenIsReadWithoutOne(t *testing.T) {
	r := NewResolver(Options{LookupEnv: env(nil)})
	secret := Source{Kubernetes: Kubernetes{"ns", "s", "k"}}
	r.Add("f", secret)
	r.NeedBitwarden("step token")
	err := r.ReadAll(t.Context(), Clients{Kubernetes: &fakeKube{values: map[Kubernetes]string{secret.Kubernetes: "v"}}}, r.Sources())
	if err == nil || !strings.Contains(err.Error(), "step token: ") || len(Problems(err)) != 1 {
		t.Errorf("%v", err)
	}
	if got, err := r.Value(Value{From: &secret}); err != nil || got != "v" {
		t.Errorf("%q, %v", got, err)
	}
	if r.Token() != (Source{}) || r.Wanted()[0].Who() != "f" {
		t.Errorf("token %v, wanted %v", r.Token(), r.Wanted())
	}
}
