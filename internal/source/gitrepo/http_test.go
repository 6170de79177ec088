package gitrepo

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/errclass"
)

// fetched resolves ref and fetches it.
func fetched(t testing.TB, u URL, ref string, o Options) (map[string]string, error) {
	t.Helper()
	commit, err := Resolve(t.Context(), u, ref, o)
	if err != nil {
		return nil, err
	}
	dir := t.TempDir()
	_, err = Fetch(t.Context(), u, commit, dir, o)
	return tree(t, dir), err
}

// withPassword lets through whoever has user and password.
func withPassword(h http.Handler, user, password string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, p, ok := r.BasicAuth(); !ok {
			w.Header().Set("WWW-Authenticate", `Basic realm="git"`)
			http.Error(w, "who are you?", http.StatusUnauthorized)
		} else if u != user || p != password {
			http.Error(w, "no: "+p, http.StatusUnauthorized)
		} else {
			h.ServeHTTP(w, r)
		}
	})
}

func TestCredentialsOpenARepository(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, withPassword(r.handler(t), "git", "geheim"))
	for name, tc := range map[string]struct {
		user, password string
		want           string
	}{
		"token":       {"", "geheim", ""},
		"user":        {"git", "geheim", ""},
		"wrong token": {"", "geheim2", "the credentials are refused"},
		"other user":  {"me", "geheim", "the credentials are refused"},
		"none":        {"", "", "not there, or it needs credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			o := o
			o.Username, o.Password = tc.user, tc.password
			files, err := fetched(t, u, "main", o)
			if tc.want == "" {
				if diff := cmp.Diff(r.want(), files); err != nil || diff != "" {
					t.Errorf("%v, -want +got:\n%s", err, diff)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "geheim") {
				t.Errorf("%v", err)
			}
			if got := errclass.Classify(err); got.Class != errclass.Final || got.Kind != errclass.Denied {
				t.Errorf("%v is %+v", err, got)
			}
		})
	}
}

func TestAnswersAreToldApart(t *testing.T) {
	final := func(k errclass.Kind) errclass.Fault { return errclass.Fault{Class: errclass.Final, Kind: k} }
	busy := errclass.Fault{Class: errclass.Transient, Kind: errclass.Unreachable}
	page := func(code int, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprint(w, "<html>\x1b[2Jgeheim</html>")
		}
	}
	waits := busy
	waits.RetryAfter = 7 * time.Second
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		say    string
		want   errclass.Fault
	}{
		"404":               {page(404), "not there, or these credentials may not see it (the server answers 404)", final(errclass.NotFound)},
		"401":               {page(401), "check user and token", final(errclass.Denied)},
		"403":               {page(403), "do not allow to read", final(errclass.Denied)},
		"407":               {page(407), "HTTPS_PROXY", final(errclass.Denied)},
		"410":               {page(410), "does not give", errclass.Fault{Class: errclass.Transient}},
		"429":               {page(429, "Retry-After", "7"), "no more requests", waits},
		"500":               {page(500), "out of order", busy},
		"503":               {page(503, "Retry-After", "7"), "out of order", waits},
		"a web page":        {page(200, "Content-Type", "text/html; charset=utf-8"), `no git repository is at this address: the type of the answer is text/html`, final(errclass.Invalid)},
		"the dumb protocol": {page(200, "Content-Type", "text/plain"), "smart protocol", final(errclass.Invalid)},
		"rubbish":           {page(200, "Content-Type", "application/x-git-upload-pack-advertisement"), "pkt-len", errclass.Fault{}},
		"nothing": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
		}, "", errclass.Fault{}},
		"hung up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", busy},
		"the server's own words": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-git-upload-pack-advertisement")
			fmt.Fprint(w, pkt("# service=git-upload-pack\n")+"0000"+pkt("ERR access denied \x1b[2J\n::error::x"))
		}, `the server refuses; it says: access denied \x1b[2J; ::error::x`, final(errclass.Denied)},
	} {
		t.Run(name, func(t *testing.T) {
			u, o := serve(t, tc.answer)
			o.Password = "token"
			_, err := Resolve(t.Context(), u, "main", o)
			if err == nil || !strings.Contains(err.Error(), tc.say) || strings.ContainsAny(err.Error(), "\x1b\n") || strings.Contains(err.Error(), "geheim") {
				t.Fatalf("error %v does not say %q", err, tc.say)
			}
			if !strings.HasPrefix(err.Error(), `resolve "main" in git repository https://127.0.0.1:`) {
				t.Errorf("the error does not say what and where: %v", err)
			}
			got := errclass.Classify(err)
			got.Hint = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func pkt(s string) string { return fmt.Sprintf("%04x%s", len(s)+4, s) }

func TestARepositoryThatIsNotThereIsNotFound(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	u.path = "/group/other.git"
	_, err := Resolve(t.Context(), u, "", o)
	if got := errclass.Classify(err); got.Kind != errclass.NotFound || got.Class != errclass.Final {
		t.Errorf("%v is %+v", err, got)
	}
}

func TestAnEmptyRepositoryIsSaidToBeEmpty(t *testing.T) {
	r := newRepository(t)
	git(t, r.root, "", "init", "-q", "--bare", "group/empty.git")
	u, o := serve(t, r.handler(t))
	u.path = "/group/empty.git"
	if _, err := Resolve(t.Context(), u, "", o); err == nil || !strings.Contains(err.Error(), "empty") {
		t.Errorf("%v", err)
	}
}

func TestARepositoryWithSHA256SaysSo(t *testing.T) {
	r := newRepository(t)
	git(t, r.root, "", "init", "-q", "--bare", "--object-format=sha256", "group/256.git")
	commit := git(t, r.root+"/group/256.git", "", "commit-tree", "-m", "x", git(t, r.root+"/group/256.git", "", "mktree"))
	git(t, r.root+"/group/256.git", "", "update-ref", "HEAD", commit)
	u, o := serve(t, r.handler(t))
	u.path = "/group/256.git"
	if _, err := Resolve(t.Context(), u, "", o); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("Resolve: %v", err)
	}
	if _, err := Fetch(t.Context(), u, commit, t.TempDir(), o); err == nil || !strings.Contains(err.Error(), "SHA-256") {
		t.Errorf("Fetch: %v", err)
	}
}

func TestAServerThatIsNotTrustedIsRefused(t *testing.T) {
	r := newRepository(t)
	u, o := serve(t, r.handler(t))
	_, err := Resolve(t.Context(), u, "", Options{Password: "geheim"})
	if got := errclass.Classify(err); got.Class != errclass.Final || got.Kind != errclass.Unreachable || !strings.Contains(got.Hint, "caFile") {
		t.Errorf("%v is %+v", err, got)
	}
	for name, o := range map[string]Options{"CA file": o, "insecure": {Insecure: true}} {
		if _, err := fetched(t, u, "", o); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, file := range []string{t.TempDir() + "/none.pem", r.dir + "/HEAD"} {
		if _, err := Resolve(t.Context(), u, "", Options{CAFile: file}); err == nil || !strings.Contains(err.Error(), "read CA file") {
			t.Errorf("%s: %v", file, err)
		}
	}
}
