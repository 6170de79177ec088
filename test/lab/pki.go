package lab

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// keysLast is how long the lab's certificates are good for: a lab is thrown away long before.
const keysLast = 10 * 365 * 24 * time.Hour

// keys makes what the servers' TLS and the cluster's service accounts need, once: pki/ca.crt, pki/server.crt and
// pki/server.key (127.0.0.1, localhost, where pods find them), pki/client.crt and pki/client.key (kube-apiserver to
// kubelet), pki/sa.key, pki/sa.pub, pki/bundle.crt, the CA with the system's roots, and pki/ca.key. When pods find the
// servers elsewhere, only these get other keys.
func (f folder) keys(s settings) error {
	if f.hasCA() {
		return f.addressKeys("server", s.inPods())
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the CA's key: %w", err)
	}
	ca := authority{cert: template("plan lab CA"), key: key}
	ca.cert.IsCA, ca.cert.BasicConstraintsValid = true, true
	ca.cert.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	caPEM, err := ca.sign(ca.cert, key)
	if err != nil {
		return fmt.Errorf("make the CA: %w", err)
	}
	if err := f.issue(ca, "server", x509.ExtKeyUsageServerAuth, s.inPods()); err != nil {
		return err
	}
	if err := f.issue(ca, "client", x509.ExtKeyUsageClientAuth); err != nil {
		return err
	}
	return f.writeKeys(caPEM, key)
}

// hasKeys reports whether keys has done its work.
func (f folder) hasKeys(s settings) bool { return f.hasCA() && f.isFor("server", s.inPods()) }

func (f folder) hasCA() bool {
	_, err := os.Stat(f.path("pki", "ca.key")) // comes last
	return err == nil
}

// isFor reports whether pki/NAME.crt is for an address.
func (f folder) isFor(name string, address net.IP) bool {
	b, err := os.ReadFile(f.path("pki", name+".crt"))
	if err != nil {
		return false
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err == nil && cert.VerifyHostname(address.String()) == nil
}

func (f folder) writeKeys(ca []byte, caKey *ecdsa.PrivateKey) error {
	saKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the service accounts' key: %w", err)
	}
	sa, err := privatePEM(saKey)
	if err != nil {
		return err
	}
	pub, err := x509.MarshalPKIXPublicKey(&saKey.PublicKey)
	if err != nil {
		return fmt.Errorf("encode the service accounts' public key: %w", err)
	}
	keyPEM, err := privatePEM(caKey)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data []byte
	}{
		{"ca.crt", ca}, {"sa.key", sa}, {"sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})},
		{"bundle.crt", bytes.Join([][]byte{systemRoots(), ca}, nil)}, {"ca.key", keyPEM},
	} {
		if err := writeFile(f.path("pki", file.name), file.data); err != nil {
			return fmt.Errorf("write %s: %w", file.name, err)
		}
	}
	return nil
}

// addressKeys makes pki/NAME.crt and pki/NAME.key, for 127.0.0.1, localhost and an address, unless they are.
func (f folder) addressKeys(name string, address net.IP) error {
	if f.isFor(name, address) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(f.path("pki", "ca.crt"), f.path("pki", "ca.key"))
	if err != nil {
		return fmt.Errorf("read the lab's CA: %w", err)
	}
	return f.issue(authority{cert: pair.Leaf, key: pair.PrivateKey.(*ecdsa.PrivateKey)}, name, x509.ExtKeyUsageServerAuth, address)
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a key and a certificate for 127.0.0.1, localhost and more addresses: pki/NAME.key and pki/NAME.crt.
func (f folder) issue(ca authority, name string, usage x509.ExtKeyUsage, addresses ...net.IP) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key %s: %w", name, err)
	}
	leaf := template("localhost")
	leaf.BasicConstraintsValid = true // written out: CA:FALSE
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{usage}
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, append(addresses, net.IPv4(127, 0, 0, 1))
	cert, err := ca.sign(leaf, key)
	if err != nil {
		return fmt.Errorf("make the certificate %s: %w", name, err)
	}
	private, err := privatePEM(key)
	if err != nil {
		return err
	}
	return wrap(errors.Join(writeFile(f.path("pki", name+".key"), private), writeFile(f.path("pki", name+".crt"), cert)), "write the keys %s", name)
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(keysLast),
	}
}

func (ca authority) sign(cert *x509.Certificate, key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, cert, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}

func privatePEM(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// systemRoots returns the first bundle of roots found where Linux distributions keep it, or nothing.
func systemRoots() []byte {
	for _, name := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if b, err := os.ReadFile(name); err == nil {
			return append(b, '\n')
		}
	}
	return nil
}
