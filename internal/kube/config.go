package kube

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	api "k8s.io/client-go/tools/clientcmd/api"
)

// serviceAccount is where a pod finds its token.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"

// Config chooses a cluster as kubectl does.
type Config struct {
	Kubeconfig   string              // path of a file; empty: $KUBECONFIG, then ~/.kube/config
	Context      string              // empty: the current one
	Namespace    string              // empty: the context's, in a pod the pod's own, else "default"
	UserAgent    string              // what the server's audit log shows
	Insecure     bool                // the server's certificate is not checked
	Getenv       func(string) string // nil: os.Getenv
	InClusterDir string              // empty: where the kubelet mounts the service account
}

// Load reads the configuration and makes a client; it opens no connection. What is named but not there is an error (ErrNoConfig,
// ErrNoContext with the contexts there are), never another cluster: the pod's service account is used only when neither a
// kubeconfig nor a context is named and there is no ~/.kube/config.
func Load(c Config) (*Client, error) {
	if c.Getenv == nil {
		c.Getenv = os.Getenv
	}
	if c.InClusterDir == "" {
		c.InClusterDir = serviceAccount
	}
	rules, err := c.rules()
	if err != nil {
		return nil, err
	}
	if rules == nil {
		return c.inCluster()
	}
	raw, err := rules.Load()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	return c.fromKubeconfig(raw)
}

// rules say which files are merged, as kubectl's do; nil means that there is no kubeconfig and none was asked for.
func (c Config) rules() (*clientcmd.ClientConfigLoadingRules, error) {
	if c.Kubeconfig != "" {
		if err := exists(c.Kubeconfig); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoConfig, err)
		}
		return &clientcmd.ClientConfigLoadingRules{ExplicitPath: c.Kubeconfig}, nil
	}
	if v := c.Getenv("KUBECONFIG"); v != "" {
		paths := filepath.SplitList(v)
		if !slices.ContainsFunc(paths, func(p string) bool { return exists(p) == nil }) {
			return nil, fmt.Errorf("%w: KUBECONFIG names %s, which is not there", ErrNoConfig, v)
		}
		return &clientcmd.ClientConfigLoadingRules{Precedence: paths}, nil
	}
	if home := c.Getenv("HOME"); home != "" {
		p := filepath.Join(home, ".kube", "config")
		if err := exists(p); !errors.Is(err, fs.ErrNotExist) {
			return &clientcmd.ClientConfigLoadingRules{Precedence: []string{p}}, err
		}
	}
	return nil, nil
}

func exists(path string) error {
	_, err := os.Stat(path)
	return err
}

func (c Config) fromKubeconfig(raw *api.Config) (*Client, error) {
	name := c.Context
	if name == "" {
		name = raw.CurrentContext
	}
	chosen, ok := raw.Contexts[name]
	if !ok || chosen == nil {
		there := list(slices.Sorted(maps.Keys(raw.Contexts)))
		if name == "" {
			return nil, fmt.Errorf("%w: the kubeconfig has no current context; name one of: %s", ErrNoContext, there)
		}
		return nil, fmt.Errorf("%w: %q; the kubeconfig has: %s", ErrNoContext, name, there)
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*raw, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read context %q: %w", name, err)
	}
	return c.client(config, name, chosen.Namespace)
}

// inCluster uses the pod's service account.
func (c Config) inCluster() (*Client, error) {
	host, port := c.Getenv("KUBERNETES_SERVICE_HOST"), c.Getenv("KUBERNETES_SERVICE_PORT")
	token := filepath.Join(c.InClusterDir, "token")
	if host == "" || port == "" || exists(token) != nil {
		return nil, fmt.Errorf("%w: neither KUBECONFIG nor ~/.kube/config, and this is not a pod with a service account", ErrNoConfig)
	}
	if c.Context != "" {
		return nil, fmt.Errorf("%w: %q; there is no kubeconfig, and a pod's service account has no contexts", ErrNoContext, c.Context)
	}
	namespace, err := os.ReadFile(filepath.Join(c.InClusterDir, "namespace"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the pod's namespace: %w", err)
	}
	config := &rest.Config{
		Host:            "https://" + net.JoinHostPort(host, port),
		BearerTokenFile: token, // read again and again: it expires
		TLSClientConfig: rest.TLSClientConfig{CAFile: filepath.Join(c.InClusterDir, "ca.crt")},
	}
	return c.client(config, "", strings.TrimSpace(string(namespace)))
}

func (c Config) client(config *rest.Config, context, namespace string) (*Client, error) {
	config.UserAgent = c.UserAgent
	if c.Insecure { // client-go wants no authority then
		config.Insecure, config.CAFile, config.CAData = true, "", nil
	}
	return New(config, context, cmp.Or(c.Namespace, namespace, "default"))
}
