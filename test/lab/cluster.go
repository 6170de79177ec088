package lab

import (
	"fmt"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// ContextName is the only context of the lab's kubeconfigs.
const ContextName = "lab"

// clusterFiles writes the tokens that kube-apiserver accepts and a kubeconfig for each of them.
func (f folder) clusterFiles(s settings) error {
	users := []struct{ user, groups, token, file string }{
		{"admin", `"system:masters"`, s.AdminToken, "kubeconfig"},
		{"system:kube-controller-manager", "", s.ManagerToken, "manager.kubeconfig"},
		{"limited", "", s.LimitedToken, "limited.kubeconfig"},
		{"system:kube-scheduler", "", s.SchedulerToken, "scheduler.kubeconfig"},
		{"system:node:" + NodeName, `"system:nodes"`, s.NodeToken, "kubelet.kubeconfig"},
	}
	var csv strings.Builder // token,user,uid,"group,…"
	for i, u := range users {
		fmt.Fprintf(&csv, "%s,%s,%d,%s\n", u.token, u.user, i, u.groups)
		if err := f.kubeconfig(s, u.file, u.user, u.token); err != nil {
			return fmt.Errorf("write %s: %w", u.file, err)
		}
	}
	if err := writeFile(f.path("tokens.csv"), []byte(csv.String())); err != nil {
		return fmt.Errorf("write the tokens: %w", err)
	}
	return nil
}

func (f folder) kubeconfig(s settings, file, user, token string) error {
	c := api.NewConfig()
	c.Clusters[ContextName] = &api.Cluster{
		Server: "https://" + f.addr(s, "apiserver"), CertificateAuthority: f.path("pki", "ca.crt"),
	}
	c.AuthInfos[user] = &api.AuthInfo{Token: token}
	c.Contexts[ContextName] = &api.Context{Cluster: ContextName, AuthInfo: user}
	c.CurrentContext = ContextName
	b, err := clientcmd.Write(*c)
	if err != nil {
		return err
	}
	return writeFile(f.path(file), b)
}

// RESTConfig is the administrator's configuration, without a limit of client-go's own on requests per second.
func (l *Lab) RESTConfig() (*rest.Config, error) {
	c, err := clientcmd.BuildConfigFromFlags("", l.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.Kubeconfig, err)
	}
	c.QPS = -1
	return c, nil
}

// Client is a client of the cluster for its administrator.
func (l *Lab) Client() (*kubernetes.Clientset, error) {
	c, err := l.RESTConfig()
	if err != nil {
		return nil, err
	}
	c.ContentType = "application/vnd.kubernetes.protobuf" // half the work of JSON, on both sides
	return kubernetes.NewForConfig(c)
}
