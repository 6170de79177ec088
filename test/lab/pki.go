package lab

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// keysLast is how long the lab's certificates are good for: a lab is thrown away long before.
const keysLast = 10 * 365 * 24 * time.Hour

// keys makes what the servers' TLS and the cluster's service accounts need, once: pki/ca.crt, pki/server.crt and
// pki/server.key (127.0.0.1, localhost), pki/sa.key, pki/sa.pub, and pki/bundle.crt, the CA with the system's roots.
func (f folder) keys() error {
	if _, err := os.Stat(f.path("pki", "bundle.crt")); err == nil {
		return nil
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the CA's key: %w", err)
	}
	ca := template("plan lab CA", 1)
	ca.IsCA, ca.BasicConstraintsValid = true, true
	ca.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	caPEM, err := sign(ca, ca, caKey, caKey)
	if err != nil {
		return fmt.Errorf("make the CA: %w", err)
	}
	serverKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the servers' key: %w", err)
	}
	leaf := template("localhost", 2)
	leaf.BasicConstraintsValid = true // written out: CA:FALSE
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	leaf.DNSNames, leaf.IPAddresses = []string{"localhost"}, []net.IP{net.IPv4(127, 0, 0, 1)}
	leafPEM, err := sign(leaf, ca, serverKey, caKey)
	if err != nil {
		return fmt.Errorf("make the servers' certificate: %w", err)
	}
	return f.writeKeys(caPEM, leafPEM, serverKey)
}

func (f folder) writeKeys(ca, leaf []byte, serverKey *ecdsa.PrivateKey) error {
	saKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the service accounts' key: %w", err)
	}
	server, err := privatePEM(serverKey)
	if err != nil {
		return err
	}
	sa, err := privatePEM(saKey)
	if err != nil {
		return err
	}
	pub, err := x509.MarshalPKIXPublicKey(&saKey.PublicKey)
	if err != nil {
		return fmt.Errorf("encode the service accounts' public key: %w", err)
	}
	// The bundle comes last: it is what says that all of them are there.
	for _, file := range []struct {
		name string
		data []byte
	}{
		{"ca.crt", ca}, {"server.crt", leaf}, {"server.key", server}, {"sa.key", sa},
		{"sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pub})},
		{"bundle.crt", bytes.Join([][]byte{systemRoots(), ca}, nil)},
	} {
		if err := writeFile(f.path("pki", file.name), file.data); err != nil {
			return fmt.Errorf("write %s: %w", file.name, err)
		}
	}
	return nil
}

func template(name string, serial int64) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano() + serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(keysLast),
	}
}

func sign(cert, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
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
