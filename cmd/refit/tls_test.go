package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// tlsEngine starts a stand-in for an engine that wants a certificate from its
// clients. It sets TLS_ENGINE, and leaves ca.pem, cert.pem and key.pem in the
// folder tls of the story, the engine's own pair, which is none for clients, as
// server-cert.pem and server-key.pem, and another authority, with its key, as
// stranger.pem and stranger-key.pem.
func tlsEngine(e *testscript.Env) error {
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	stranger, err := newAuthority()
	if err != nil {
		return err
	}
	server, err := authority.sign(&x509.Certificate{
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	if err != nil {
		return err
	}
	client, err := authority.sign(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return err
	}
	other := tls.Certificate{Certificate: [][]byte{stranger.certificate.Raw}, PrivateKey: stranger.key}
	if err := writeCertificates(filepath.Join(e.WorkDir, "tls"), authority, map[string]tls.Certificate{
		"cert.pem key.pem": client, "server-cert.pem server-key.pem": server, "stranger.pem stranger-key.pem": other,
	}); err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority.certificate)
	engine := httptest.NewUnstartedServer(emptyEngine("1.41"))
	engine.TLS = &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	engine.StartTLS()
	e.Defer(engine.Close)
	e.Setenv("TLS_ENGINE", strings.Replace(engine.URL, "https://", "tcp://", 1))
	return nil
}

// authority signs certificates that are good for an hour.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority() (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	a := authority{key: key, certificate: &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, &key.PublicKey, key)
	if err != nil {
		return authority{}, err
	}
	a.certificate, err = x509.ParseCertificate(der)
	return a, err
}

func (a authority) sign(c *x509.Certificate) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(2), a.certificate.NotBefore, a.certificate.NotAfter
	der, err := x509.CreateCertificate(rand.Reader, c, a.certificate, &key.PublicKey, a.key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// writeCertificates writes the authority's certificate, and pairs by their files' names.
func writeCertificates(folder string, ours authority, pairs map[string]tls.Certificate) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	blocks := map[string]*pem.Block{"ca.pem": {Type: "CERTIFICATE", Bytes: ours.certificate.Raw}}
	for names, pair := range pairs {
		key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
		if err != nil {
			return err
		}
		certFile, keyFile, _ := strings.Cut(names, " ")
		blocks[certFile] = &pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}
		blocks[keyFile] = &pem.Block{Type: "PRIVATE KEY", Bytes: key}
	}
	for name, block := range blocks {
		if err := os.WriteFile(filepath.Join(folder, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
