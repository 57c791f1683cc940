package command

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/client"
)

// tlsEngine answers to a ping over TLS, and returns its address and a folder with the
// authority that it is to be known by, and nothing else.
func tlsEngine(t *testing.T) (host, dir string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Api-Version", "1.41")
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that are to fail
	s.StartTLS()
	t.Cleanup(s.Close)
	dir = t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), authority, 0o600); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(s.URL, "https://", "tcp://", 1), dir
}

// It is not parallel: it is about the environment.
func TestTheEngineIsReachedAsTheEnvironmentSays(t *testing.T) {
	host, dir := tlsEngine(t)
	for name, test := range map[string]struct {
		dir  string
		good bool
	}{
		"TLS with an authority alone": {dir, true},
		"TLS without an authority":    {t.TempDir(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(client.EnvOverrideHost, host)
			t.Setenv(client.EnvTLSVerify, "1")
			t.Setenv(client.EnvOverrideCertPath, test.dir)
			api, err := New().engine()
			if err == nil {
				defer api.Close()
				_, err = api.Ping(t.Context())
			}
			if (err == nil) != test.good {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("a socket, whatever is said of TLS", func(t *testing.T) {
		t.Setenv(client.EnvOverrideHost, "unix:///var/run/docker.sock")
		t.Setenv(client.EnvTLSVerify, "1")
		t.Setenv(client.EnvOverrideCertPath, t.TempDir())
		if _, err := New().engine(); err != nil {
			t.Error(err)
		}
	})
}
