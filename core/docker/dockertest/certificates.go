package dockertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are the files, in PEM, with which a client and an engine trust
// each other. Cert and Key are the client's. They have the names that the docker
// command looks for in DOCKER_CERT_PATH. The engine's own are beside them, as
// server-cert.pem and server-key.pem: they may be a client's as well. What only a
// server may use, as most authorities make it, is server-only-cert.pem.
type Certificates struct {
	Dir, CA, Cert, Key    string
	serverCert, serverKey string
}

// newCertificates makes an authority, and with it a certificate for an engine on
// 127.0.0.1 and one for a client.
func newCertificates(dir string) (Certificates, error) {
	dir = filepath.Join(dir, "tls")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return Certificates{}, err
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	c := Certificates{
		Dir: dir, CA: at("ca.pem"), Cert: at("cert.pem"), Key: at("key.pem"),
		serverCert: at("server-cert.pem"), serverKey: at("server-key.pem"),
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "refit test authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key, err := certify(authority, authority, nil, c.CA, at("ca-key.pem"))
	if err != nil {
		return c, err
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if _, err := certify(server, authority, key, c.serverCert, c.serverKey); err != nil {
		return c, err
	}
	server.SerialNumber, server.ExtKeyUsage = big.NewInt(4), []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if _, err := certify(server, authority, key, at("server-only-cert.pem"), at("server-only-key.pem")); err != nil {
		return c, err
	}
	user := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "client"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	_, err = certify(user, authority, key, c.Cert, c.Key)
	return c, err
}

// certify makes a key and a certificate for it, signed by the authority (by
// itself where signer is nil), and writes both.
func certify(template, authority *x509.Certificate, signer crypto.Signer, certFile, keyFile string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if signer == nil {
		signer = key
	}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	cert, err := x509.CreateCertificate(rand.Reader, template, authority, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	if err := writePEM(certFile, "CERTIFICATE", cert); err != nil {
		return nil, err
	}
	return key, writePEM(keyFile, "PRIVATE KEY", encoded)
}

func writePEM(name, kind string, content []byte) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}), 0o600)
}
