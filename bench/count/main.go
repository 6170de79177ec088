// Command count runs a command whose kubeconfig leads through a proxy, and prints how many requests it made in all and how many once a while
// had passed: what it asks while nothing happens.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

func main() {
	after, length := flag.Duration("after", 20*time.Second, "when to begin to count"), flag.Duration("for", time.Minute, "how long to count")
	flag.Parse()
	if err := run(*after, *length, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(after, length time.Duration, argv []string) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	to, err := url.Parse(config.Host)
	if err != nil {
		return err
	}
	trust, err := rest.TLSConfigFor(config)
	if err != nil {
		return err
	}
	var all, idle atomic.Int64
	begin := time.Now()
	back := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Set("Authorization", "Bearer "+config.BearerToken)
		},
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trust.RootCAs}},
		FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
	}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all.Add(1)
		if past := time.Since(begin); past > after && past < after+length {
			idle.Add(1)
		}
		back.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	dir, err := os.MkdirTemp("", "plan-count-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := api.NewConfig()
	c.Clusters["count"], c.AuthInfos["count"] = &api.Cluster{Server: proxy.URL}, &api.AuthInfo{}
	c.Contexts["count"] = &api.Context{Cluster: "count", AuthInfo: "count"}
	c.CurrentContext = "count"
	file := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*c, file); err != nil {
		return err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+file)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	proxy.CloseClientConnections()
	fmt.Printf("%d %d %d\n", all.Load(), idle.Load(), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Milliseconds())
	return nil
}
