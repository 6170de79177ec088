package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/http/cgi"
	"os"
	"os/exec"
	"strings"
)

// Git is a git server of the lab, with TLS by the lab's CA. It serves the repositories in Dir: URL/name.git is
// Dir/name.git, for everybody, and URL/private/name.git is Dir/private/name.git, for User alone. Where the lab has a
// node, pods reach the same URL.
type Git struct {
	URL      string
	Dir      string
	User     string
	Password string
}

const gitUser = "lab"

func (f folder) git(s settings) Git {
	return Git{URL: "https://" + f.addr(s, "git"), Dir: f.path("git"), User: gitUser, Password: s.GitPassword}
}

// StartGit starts the git server, unless it runs.
func (l *Lab) StartGit(ctx context.Context) (Git, error) {
	err := l.more(ctx, func(f folder, s *settings) error {
		if s.Number != 0 { // or it may be another's bridge by now
			if err := f.network(ctx, s); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(f.path("git", "private"), 0o700); err != nil {
			return fmt.Errorf("make the repositories' folder: %w", err)
		}
		l.Git = f.git(*s)
		return l.serveMore(ctx, f, *s, "git")
	})
	return l.Git, err
}

// gitHandler serves the repositories by git's own program. A commit may be asked for by its id, as at public hosts.
func gitHandler(g Git) (http.Handler, error) {
	git, err := exec.LookPath("git")
	if err != nil {
		return nil, fmt.Errorf("serve git: %w", err)
	}
	env := []string{"GIT_PROJECT_ROOT=" + g.Dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_CONFIG_NOSYSTEM=1", "HOME=" + g.Dir, "GIT_CONFIG_COUNT=3"}
	for i, kv := range [][2]string{{"safe.directory", "*"}, {"uploadpack.allowAnySHA1InWant", "true"}, {"uploadpack.allowFilter", "true"}} {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, kv[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, kv[1]))
	}
	backend := &cgi.Handler{Path: git, Args: []string{"http-backend"}, Dir: g.Dir, Env: env, InheritEnv: []string{"PATH"}}
	private := guarded(g.User, g.Password, backend)
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if strings.HasPrefix(req.URL.Path, "/private/") {
			private.ServeHTTP(w, req)
			return
		}
		backend.ServeHTTP(w, req)
	}), nil
}
