package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
)

// InPods are the lab's servers as pods reach them. The API server is where Kubernetes says it is: at the Service kubernetes, whose address
// the kubelet gives to every pod. All have certificates of the lab's CA for that address.
type InPods struct {
	S3Endpoint   string
	BitwardenURL string
	PingURL      string
}

// services is where Services have their addresses: sixteen that no other lab of this machine has, since they follow from the API server's port.
func (s settings) services() *net.IPNet {
	p := s.Ports["apiserver"]
	return &net.IPNet{IP: net.IPv4(10, byte(96+p>>12), byte(p>>4), byte(p<<4)).To4(), Mask: net.CIDRMask(28, 32)}
}

// inPods is the address of the Service kubernetes, the first of all (kube-apiserver --service-cluster-ip-range). No kube-proxy makes it lead
// anywhere; it is an address of the pods' bridge, and the lab listens there.
func (s settings) inPods() net.IP {
	ip := s.services().IP
	return net.IPv4(ip[0], ip[1], ip[2], ip[3]+1).To4()
}

// asPodsSee tells no endpoint of an S3 server elsewhere: pods have no way out.
func (f folder) asPodsSee(s settings, elsewhere Elsewhere) InPods {
	at := func(port string) string { return net.JoinHostPort(s.inPods().String(), strconv.Itoa(s.Ports[port])) }
	in := InPods{BitwardenURL: "https://" + at("bitwarden"), PingURL: "http://" + at("ping")}
	if elsewhere.S3.Endpoint == "" {
		in.S3Endpoint = "https://" + at("s3")
	}
	return in
}

// moveServices makes kube-apiserver choose addresses anew, if it has kept some of another range: the lab had another port then. It is for the
// time before it starts. Other Services keep theirs, which lead nowhere, as all do.
func (f folder) moveServices(ctx context.Context, s settings) error {
	const kept = "/registry/servicecidrs/kubernetes"
	etcd := "http://" + f.addr(s, "etcd") + "/v3/kv"
	var found struct {
		KVs []struct{ Value []byte }
	}
	if err := askEtcd(ctx, etcd+"/range", map[string][]byte{"key": []byte(kept)}, &found); err != nil {
		return fmt.Errorf("read %s from etcd: %w", kept, err)
	}
	services := s.services().String()
	if len(found.KVs) == 0 || bytes.Contains(found.KVs[0].Value, append([]byte{byte(len(services))}, services...)) { // a string of protobuf
		return nil
	}
	for _, keys := range [][2]string{ // "0" is after "/"; what tells that there is something to do goes last
		{"/registry/services/specs/default/kubernetes"}, {"/registry/ipaddresses/", "/registry/ipaddresses0"}, {kept},
	} {
		if err := askEtcd(ctx, etcd+"/deleterange", map[string][]byte{"key": []byte(keys[0]), "range_end": []byte(keys[1])}, nil); err != nil {
			return fmt.Errorf("delete %s from etcd: %w", keys[0], err)
		}
	}
	return nil
}

// doors are the ways from pods to the lab's servers, and one at which is seen that they are open.
func (f folder) doors(s settings) []site {
	host := s.inPods().String()
	list := []site{
		{addr: f.addr(s, "pods"), cert: "server", handler: http.NotFoundHandler()},
		{addr: net.JoinHostPort(host, "443"), to: f.addr(s, "apiserver")},
	}
	for _, name := range []string{"s3", "bitwarden", "ping"} {
		list = append(list, site{addr: net.JoinHostPort(host, strconv.Itoa(s.Ports[name])), to: f.addr(s, name)})
	}
	return list
}

// passOn passes connections on as they are, until the listener is closed.
func passOn(l net.Listener, to string, ended chan<- error) {
	for {
		from, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			err = nil
		}
		if from == nil {
			ended <- err
			return
		}
		go join(from.(*net.TCPConn), to)
	}
}

// join copies both ways; each side is told the end of the other.
func join(from *net.TCPConn, to string) {
	defer from.Close()
	c, err := net.Dial("tcp", to)
	if err != nil {
		return // the server is down, and the pod sees a connection that ends
	}
	other := c.(*net.TCPConn)
	defer other.Close()
	var both sync.WaitGroup
	for _, way := range [][2]*net.TCPConn{{from, other}, {other, from}} {
		both.Go(func() {
			_, _ = io.Copy(way[1], way[0])
			_ = way[1].CloseWrite()
		})
	}
	both.Wait()
}
