package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// startLimit is generous: other builds and tests may have the machine's cores.
const startLimit = 60 * time.Second

// etcd keeps no promise about a power cut (--unsafe-no-fsync): the lab's data is thrown away.
func (f folder) etcd(s settings, p programs) component {
	client, peer := "http://"+f.addr(s, "etcd"), "http://"+f.addr(s, "etcd-peer")
	return component{
		name: "etcd",
		argv: []string{
			p.etcd, "--name=lab", "--data-dir=" + f.path("etcd"), "--unsafe-no-fsync", "--logger=zap", "--log-level=warn",
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=lab=" + peer,
		},
		ready: answers(client+"/health", ""), limit: startLimit, grace: 5 * time.Second,
	}
}

// apiserver is killed soon after SIGTERM: its graceful stop waits up to a minute for open watches, and what it has
// answered is in etcd.
func (f folder) apiserver(s settings, p programs, extra []string) component {
	argv := []string{
		p.apiserver, "--etcd-servers=http://" + f.addr(s, "etcd"),
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + strconv.Itoa(s.Ports["apiserver"]),
		"--tls-cert-file=" + f.path("pki", "server.crt"), "--tls-private-key-file=" + f.path("pki", "server.key"),
		"--cert-dir=" + f.path("pki"),
		"--token-auth-file=" + f.path("tokens.csv"), "--authorization-mode=Node,RBAC", "--anonymous-auth=true",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + f.path("pki", "sa.pub"),
		"--service-account-signing-key-file=" + f.path("pki", "sa.key"),
		"--service-cluster-ip-range=" + s.services().String(), "--endpoint-reconciler-type=none",
		"--kubelet-preferred-address-types=Hostname", "--kubelet-certificate-authority=" + f.path("pki", "ca.crt"),
		"--kubelet-client-certificate=" + f.path("pki", "client.crt"), "--kubelet-client-key=" + f.path("pki", "client.key"),
		"--allow-privileged=true", "--profiling=false",
	}
	return component{
		name: "kube-apiserver", argv: append(argv, extra...),
		ready: answers("https://"+f.addr(s, "apiserver")+"/readyz", f.path("pki", "ca.crt")), limit: startLimit, grace: 2 * time.Second,
	}
}

// controllerManager leaves out the controllers that judge nodes by a kubelet's heartbeat: most nodes here have none.
func (f folder) controllerManager(s settings, p programs) component {
	return component{
		name: "kube-controller-manager",
		argv: []string{
			p.controllerManager, "--kubeconfig=" + f.path("manager.kubeconfig"),
			"--authentication-kubeconfig=" + f.path("manager.kubeconfig"), "--authorization-kubeconfig=" + f.path("manager.kubeconfig"),
			"--bind-address=127.0.0.1", "--secure-port=" + strconv.Itoa(s.Ports["controller-manager"]),
			"--tls-cert-file=" + f.path("pki", "server.crt"), "--tls-private-key-file=" + f.path("pki", "server.key"),
			"--use-service-account-credentials", "--leader-elect=false", "--profiling=false",
			"--service-account-private-key-file=" + f.path("pki", "sa.key"), "--root-ca-file=" + f.path("pki", "ca.crt"),
			"--controllers=*,-node-lifecycle-controller,-taint-eviction-controller,-device-taint-eviction-controller",
			"--kube-api-qps=500", "--kube-api-burst=1000", "--pvclaimbinder-sync-period=1s", // 15 s is long in a test
		},
		ready: answers("https://"+f.addr(s, "controller-manager")+"/healthz", f.path("pki", "ca.crt")), limit: startLimit, grace: 2 * time.Second,
	}
}

// versitygw keeps metadata beside the objects, not in extended attributes: not every file system has them.
func (f folder) versitygw(s settings, p programs) component {
	return component{
		name: "versitygw",
		env:  []string{"ROOT_ACCESS_KEY=" + s.S3.AccessKey, "ROOT_SECRET_KEY=" + s.S3.SecretKey}, // not for everybody's ps
		argv: []string{
			p.versitygw, "--port=" + f.addr(s, "s3"), "--region=" + s.S3.Region, "--health=/health", "--quiet", "--keep-alive",
			"--cert=" + f.path("pki", "server.crt"), "--key=" + f.path("pki", "server.key"), "--iam-dir=" + f.path("s3", "iam"),
			"posix", "--sidecar=" + f.path("s3", "meta"), "--versioning-dir=" + f.path("s3", "versions"), f.path("s3", "data"),
		},
		ready: answers(s.S3.Endpoint+"/health", f.path("pki", "ca.crt")), limit: startLimit, grace: time.Second,
	}
}

// helper is a server of the lab's own, run by the lab command as a process.
func (f folder) helper(name string, s settings, l *Lab) component {
	scheme, ca := "https://", f.path("pki", "ca.crt")
	if name == "ping" {
		scheme, ca = "http://", ""
	}
	return component{
		name:  name,
		argv:  []string{l.opts.Helper, "serve", name, "--dir", f.dir, "--s3-endpoint", l.S3.Endpoint},
		ready: answers(scheme+f.addr(s, name)+"/health", ca), limit: 20 * time.Second, grace: time.Second,
	}
}

// answers is a check that a GET of url gives 200.
func answers(url, caFile string) func(context.Context) error {
	return func(ctx context.Context) error {
		client, err := httpClient(caFile)
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // what it says helps, but is not needed
			return fmt.Errorf("GET %s: %s: %s", url, resp.Status, b)
		}
		return nil
	}
}

// HTTPClient trusts the lab's CA alone, and has patience with a busy machine.
func (l *Lab) HTTPClient() (*http.Client, error) {
	c, err := httpClient(l.CAFile)
	if err == nil {
		c.Transport.(*http.Transport).ResponseHeaderTimeout = importLimit
	}
	return c, err
}

// httpClient trusts the CA in caFile alone; an empty name is for plain http.
func httpClient(caFile string) (*http.Client, error) {
	t := &http.Transport{ResponseHeaderTimeout: 5 * time.Second}
	if caFile != "" {
		b, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("read the lab's CA: %w", err)
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(b)
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t}, nil
}
