package lab

import (
	"bytes"
	"io"
	"net"
	"os"
	"testing"
)

func TestServicesOfLabsDoNotMeet(t *testing.T) {
	_, near, err := net.ParseCIDR("10.100.0.0/14")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for port := 20000; port < 32000; port++ { // as choosePort
		s := settings{Ports: map[string]int{"apiserver": port}}
		r := s.services()
		if !r.IP.Equal(r.IP.Mask(r.Mask)) || !r.Contains(s.inPods()) || !near.Contains(r.IP) || seen[r.String()] {
			t.Fatalf("port %d: %s, %s", port, r, s.inPods())
		}
		seen[r.String()] = true
	}
}

func TestAnotherAddressNeedsNoOtherCA(t *testing.T) {
	f := testFolder(t)
	read := func(name string) []byte {
		t.Helper()
		b, err := os.ReadFile(f.path("pki", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	was := map[string][]byte{}
	for _, port := range []int{20000, 20001} {
		s := settings{Ports: map[string]int{"apiserver": port}}
		if f.hasKeys(s) {
			t.Errorf("it has keys for %s", s.inPods())
		}
		if err := f.keys(s); err != nil {
			t.Fatal(err)
		}
		if !f.hasKeys(s) {
			t.Errorf("it has no keys for %s", s.inPods())
		}
		for _, name := range []string{"ca.crt", "ca.key", "sa.key", "client.crt"} {
			if port == 20001 && !bytes.Equal(was[name], read(name)) {
				t.Errorf("%s is another one", name)
			}
			was[name] = read(name)
		}
	}
}

// TestConnectionsArePassedOn with what comes after one side has ended its part.
func TestConnectionsArePassedOn(t *testing.T) {
	listen := func() net.Listener {
		t.Helper()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	server, door := listen(), listen()
	defer server.Close()
	ended := make(chan error, 1)
	go passOn(door, server.Addr().String(), ended)
	go func() {
		c, err := server.Accept()
		if err != nil {
			return // the test has failed
		}
		defer c.Close()
		if all, err := io.ReadAll(c); err == nil {
			c.Write(append([]byte("got "), all...))
		}
	}()
	c, err := net.Dial("tcp", door.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(c); err != nil || string(got) != "got hello" {
		t.Errorf("%q, %v", got, err)
	}
	door.Close()
	if err := <-ended; err != nil {
		t.Errorf("it ended: %v", err)
	}
}
