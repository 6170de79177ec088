package kube_test

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/client-go/rest"

	"plan/internal/kube"
)

// The typed clients of client-go keep HTTP/2: their watches share a connection.
func TestListsUseHTTP1AndTypedClientsHTTP2(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"metadata":{"uid":%q}}`, r.Proto)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	c, err := kube.New(&rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, "", "default")
	if err != nil {
		t.Fatal(err)
	}
	if proto, err := c.UID(t.Context()); err != nil || proto != "HTTP/1.1" {
		t.Errorf("the client itself speaks %s, %v", proto, err)
	}
	typed, err := rest.HTTPClientFor(c.Config())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := typed.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.Proto != "HTTP/2.0" {
		t.Errorf("a client of Config speaks %s", resp.Proto)
	}
}
