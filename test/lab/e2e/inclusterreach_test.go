package e2e

import (
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/test/lab"
	"plan/test/lab/labtest"
)

// lateNode is a lab in its third life: its API server had another port at first, and it gets its node after all else.
func lateNode(t *testing.T) *node {
	t.Helper()
	labtest.NeedNode(t)
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "lab")
	start := func(o lab.Options) *lab.Lab {
		t.Helper()
		o.Log = t.Logf
		l, err := lab.Start(t.Context(), dir, o)
		if err != nil {
			t.Fatalf("%v; stop: %v", err, lab.Stop(theEnd(), dir))
		}
		return l
	}
	first := start(lab.Options{NoControllers: true})
	at := must(url.Parse(must(first.RESTConfig()).Host)).Host
	if err := first.Stop(theEnd()); err != nil {
		t.Fatal(err)
	}
	other := must(net.Listen("tcp", at))
	defer other.Close()
	second := start(lab.Options{})
	n := &node{Lab: start(lab.Options{Node: true})}
	t.Cleanup(func() {
		for _, l := range []*lab.Lab{second, n.Lab} {
			if err := l.Stop(theEnd()); err != nil {
				t.Error(err)
			}
		}
	})
	if second.InPods != (lab.InPods{}) || must(url.Parse(must(n.RESTConfig()).Host)).Host == at {
		t.Fatalf("it is no lab that moved and got its node late: %+v", second.InPods)
	}
	n.kube = must(n.Client())
	return n
}

// TestPodsReachTheLabsServers by the addresses that the lab tells: the API server as every pod does, by what the kubelet and the service account give it.
func TestPodsReachTheLabsServers(t *testing.T) {
	n := lateNode(t)
	binary := filepath.Join(t.TempDir(), "plan")
	if err := labtest.Build(moduleRoot, binary); err != nil {
		t.Fatal(err)
	}
	if err := n.ImportProgram(t.Context(), binary, programImage); err != nil {
		t.Fatal(err)
	}
	n.mayRead(t, "reach", "persistentvolumes", "namespaces") // the cluster's identity is kube-system's

	t.Run("the API server, over TLS that the program verifies", func(t *testing.T) {
		log := n.job(t, "reach", programImage, "/usr/local/bin/plan", "run", "list-pvs")
		service, err := n.kube.CoreV1().Services("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(log, "https://"+service.Spec.ClusterIP+":443") {
			t.Errorf("the log does not name %s:\n%s", service.Spec.ClusterIP, log)
		}
	})
	t.Run("S3, Bitwarden and the sink", func(t *testing.T) {
		before := len(must(n.Pings()))
		// busybox's wget does no TLS that holds. git verifies, and says of a server that is not git's that it does not have the repository.
		log := n.job(t, "reach", lab.GitImage, "sh", "-c", `for url in "$1" "$2"; do git ls-remote "$url/none.git"; done 2>&1; wget -q -O - "$3/reached"`,
			"sh", n.InPods.S3Endpoint, n.InPods.BitwardenURL, n.InPods.PingURL)
		for _, server := range []string{n.InPods.S3Endpoint, n.InPods.BitwardenURL} {
			if !strings.Contains(log, "repository '"+server+"/none.git/' not found") {
				t.Errorf("%s did not answer:\n%s", server, log)
			}
		}
		if pings := must(n.Pings()); len(pings) != before+1 || pings[before].Path != "/reached" {
			t.Errorf("the sink has %+v", pings)
		}
	})
}

// mayRead makes a namespace that enforces Pod Security's restricted level, whose pods may read some of the cluster.
func (n *node) mayRead(t *testing.T, name string, resources ...string) {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: enforced}}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get", "list"}, APIGroups: []string{""}, Resources: resources}}}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: name, Name: "default"}},
	}
	if _, err := n.kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.kube.RbacV1().ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.kube.RbacV1().ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
