package registry_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// issuer is a token server whose tokens other people's registries understand: they
// are signed, and say what they open.
type issuer struct {
	server      *httptest.Server
	key         *ecdsa.PrivateKey
	certificate []byte
	issued      atomic.Int64
}

// newIssuer gives tokens to the user "u". It listens on "localhost": the client
// library lets no registry send it to an address of this machine.
func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{key: must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	i.certificate = must(x509.CreateCertificate(rand.Reader, template, template, i.key.Public(), i.key))
	i.server = httptest.NewServer(i)
	t.Cleanup(i.server.Close)
	return i
}

// config makes a registry demand the issuer's tokens.
func (i *issuer) config(t *testing.T, dir string) string {
	t.Helper()
	bundle := filepath.Join(dir, "issuer.pem")
	if err := os.WriteFile(bundle, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.certificate}), 0o600); err != nil {
		t.Fatal(err)
	}
	realm := strings.Replace(i.server.URL, "127.0.0.1", "localhost", 1) + "/token"
	return fmt.Sprintf("auth: {token: {realm: %q, service: test, issuer: tests, rootcertbundle: %q}}\n", realm, bundle)
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if user, secret, _ := q.BasicAuth(); user != "u" || secret != password {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	i.issued.Add(1)
	now := time.Now()
	claims := map[string]any{
		"iss": "tests", "sub": "u", "aud": q.URL.Query().Get("service"), "jti": fmt.Sprint(i.issued.Load()),
		"nbf": now.Add(-time.Minute).Unix(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "access": accesses(q.URL.Query()["scope"]),
	}
	header := map[string]any{"typ": "JWT", "alg": "ES256", "x5c": []string{base64.StdEncoding.EncodeToString(i.certificate)}}
	_ = json.NewEncoder(w).Encode(map[string]any{"token": i.signed(header, claims), "expires_in": 60})
}

// accesses reads scopes: "repository:team/web:pull,push".
func accesses(scopes []string) []map[string]any {
	all := []map[string]any{}
	for _, scope := range scopes {
		if parts := strings.Split(scope, ":"); len(parts) == 3 {
			all = append(all, map[string]any{"type": parts[0], "name": parts[1], "actions": strings.Split(parts[2], ",")})
		}
	}
	return all
}

func (i *issuer) signed(header, claims map[string]any) string {
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(must(json.Marshal(v))) }
	text := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	r, s, err := ecdsa.Sign(rand.Reader, i.key, sum[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 64)
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// only is a dial that reaches one address and no other.
func only(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, to string) (net.Conn, error) {
		if to != address {
			return nil, errors.New("a test must not go to " + to)
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}
}
