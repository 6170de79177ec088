package main

import (
	"fmt"
	"path/filepath"

	"plan/internal/kube"
)

// TLSFlag is kubectl's, and as dangerous.
type TLSFlag struct {
	Insecure bool `name:"insecure-skip-tls-verify" help:"Do not check the API server's certificate: whoever answers is believed." env:"PLAN_INSECURE_SKIP_TLS_VERIFY"`
}

// AfterApply makes it hold for every connection to the cluster.
func (f *TLSFlag) AfterApply(a *app) error {
	if f.Insecure && !a.insecure {
		a.insecure = true
		fmt.Fprintln(a.err, "plan: the API server's certificate is not checked (--insecure-skip-tls-verify): what answers may be anybody, and gets the credentials")
	}
	return nil
}

// client connects to the cluster that the flags choose.
func (f ClusterFlags) client(a *app) (*kube.Client, error) {
	trustFallbackRoots()
	client, err := kube.Load(kube.Config{Kubeconfig: f.Kubeconfig, Context: f.Context, Namespace: f.Namespace, UserAgent: userAgent(), Insecure: a.insecure})
	if err != nil {
		return nil, usage(err)
	}
	return client, nil
}

// kubeConfig is how the plan's cluster is reached.
func (s *session) kubeConfig() kube.Config {
	kubeconfig := s.cluster.Kubeconfig
	if kubeconfig != "" && !filepath.IsAbs(kubeconfig) {
		kubeconfig = filepath.Join(s.baseDir, kubeconfig)
	}
	return kube.Config{Kubeconfig: kubeconfig, Context: s.cluster.Context, Namespace: s.cluster.Namespace, UserAgent: userAgent(), Insecure: s.app.insecure}
}
