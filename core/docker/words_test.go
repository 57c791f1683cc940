package docker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/refit-dev/refit/core"
)

func TestSelf(t *testing.T) {
	t.Parallel()
	outer, inner := strings.Repeat("0a", 32), strings.Repeat("1b", 32)
	mounted := "1 2 0:1 /var/lib/docker/containers/" + inner + "/hostname /etc/hostname rw - ext4 /dev/x rw\n"
	for name, row := range map[string]struct{ cgroup, mounts, want string }{
		"outside of a container":                  {"12:pids:/user.slice\n0::/\n", "1 2 0:1 / / rw - ext4 /dev/x rw\n", ""},
		"on the host of containers":               {"0::/\n", "1 2 0:1 / /var/lib/docker/containers/" + inner + "/mounts/shm rw - tmpfs shm rw\n", ""},
		"by its control group":                    {"4:cpu:/docker/" + inner + "\n", "", inner},
		"by its control group under systemd":      {"0::/system.slice/docker-" + inner + ".scope\n", "", inner},
		"inside of a container's container":       {"4:cpu:/docker/" + outer + "/docker/" + inner + "\n", "", inner},
		"by its mounts":                           {"0::/\n", mounted, inner},
		"in another container's network, by both": {"4:cpu:/docker/" + outer + "\n", mounted, outer},
		"by nothing that is readable":             {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := selfFrom(row.cgroup, row.mounts); got != row.want {
				t.Errorf("it is %q, want %q", got, row.want)
			}
		})
	}
}

func TestAReferenceIsTakenApart(t *testing.T) {
	t.Parallel()
	digest := "sha256:" + strings.Repeat("ab", 32)
	for text, want := range map[string]core.Reference{
		"nginx":                       {Repository: "docker.io/library/nginx", Tag: "latest"},
		"nginx:1":                     {Repository: "docker.io/library/nginx", Tag: "1"},
		"me/app@" + digest:            {Repository: "docker.io/me/app", Digest: digest},
		"me/app:1@" + digest:          {Repository: "docker.io/me/app", Tag: "1", Digest: digest},
		"127.0.0.1:5000/a/b:latest":   {Repository: "127.0.0.1:5000/a/b", Tag: "latest"},
		"localhost/app":               {Repository: "localhost/app", Tag: "latest"},
		"registry.example.test/x:1.2": {Repository: "registry.example.test/x", Tag: "1.2"},
	} {
		want.Text = text
		got, err := ParseReference(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
	for _, text := range []string{"", "UPPER", "a:b:c", "a@sha256:short", strings.Repeat("a", 64), "<none>:<none>"} {
		if got, err := ParseReference(text); err == nil {
			t.Errorf("%q: no error, but %+v", text, got)
		}
	}
}

func TestWhyAPullFailed(t *testing.T) {
	t.Parallel()
	for says, want := range map[string]core.Code{
		"toomanyrequests: You have reached your pull rate limit":                                             core.RateLimited,
		"received unexpected HTTP status: 429 Too Many Requests":                                             core.RateLimited,
		"no matching manifest for linux/arm64/v8 in the manifest list entries":                               core.PlatformGone,
		"image with reference x was found but does not match the specified platform: wanted linux/arm64":     core.PlatformGone,
		"pull access denied for x, repository does not exist or may require 'docker login': denied":          core.Unauthorized,
		"Head \"https://r/v2/x/manifests/1\": no basic auth credentials":                                     core.Unauthorized,
		"unauthorized: authentication required":                                                              core.Unauthorized,
		"manifest for x@sha256:a not found: manifest unknown: manifest unknown":                              core.NotFound,
		"Get \"https://r/v2/\": dial tcp: lookup r on 127.0.0.53:53: no such host":                           core.RegistryUnreachable,
		"Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused":                  core.RegistryUnreachable,
		"Get \"https://r/v2/\": net/http: request canceled (Client.Timeout exceeded while awaiting headers)": core.RegistryUnreachable,
		"Get \"https://r/v2/\": x509: certificate signed by unknown authority":                               core.RegistryUnreachable,
		"failed to register layer: write /x: no space left on device":                                        core.NoSpace,
		`unknown: {"errors":[{"code":"NAME_UNKNOWN","message":"Unknown name"}]}`:                             core.NotFound,
		"something that nobody has ever seen":                                                                core.PullFailed,
	} {
		got := reasonOf(t.Context(), core.Reference{Text: "x:1"}, errors.New(says))
		if got.Code != want || !strings.Contains(got.Text, "x:1") {
			t.Errorf("%s: %v, want %s", says, got, want)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got := reasonOf(ended, core.Reference{}, context.Canceled); got.Code != core.Cancelled {
		t.Errorf("a pull that was cancelled: %v", got)
	}
}

func TestLogLinesAreShortAndHarmless(t *testing.T) {
	t.Parallel()
	last := &logLines{most: 3}
	out, err := &logWriter{log: last}, &logWriter{log: last}
	for _, part := range []struct {
		to   *logWriter
		text string
	}{
		{out, "dropped\nbe"}, {err, "\x1b[31mred\x07\n"}, {out, "gun\r\n" + strings.Repeat("é", mostLine)}, {err, "a\tb"},
	} {
		if _, err := part.to.Write([]byte(part.text)); err != nil {
			t.Fatal(err)
		}
	}
	out.end()
	err.end()
	want := []string{"begun", strings.Repeat("é", mostLine/2), "a b"}
	if diff := cmp.Diff(want, last.lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAnEngineThatCannotBeReachedSaysWhatWasTried(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	silence(t, filepath.Join(dir, "deaf"))
	secure := secured(t)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	ca := writeCA(t, dir, secure)
	tcp := func(s *httptest.Server) string { return "tcp://" + s.Listener.Addr().String() }
	for name, row := range map[string]struct {
		options                          Options
		noSocket, refused, tls, answered bool
	}{
		"no socket":                 {Options{Host: "unix://" + dir + "/none"}, true, false, false, false},
		"a socket of nobody":        {Options{Host: "unix://" + dir + "/deaf"}, false, true, false, false},
		"a port of nobody":          {Options{Host: "tcp://127.0.0.1:1"}, false, true, false, false},
		"TLS where there is none":   {Options{Host: tcp(plain), TLSCACert: ca}, false, false, true, false},
		"no TLS where there is":     {Options{Host: tcp(secure)}, false, false, true, false},
		"another authority":         {Options{Host: tcp(secure), TLSCACert: writeCA(t, t.TempDir(), nil)}, false, false, true, false},
		"something else altogether": {Options{Host: tcp(plain)}, false, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := New(row.options)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Ping(t.Context())
			var u *UnreachableError
			if errors.As(err, &u) == row.answered || err == nil {
				t.Fatalf("%v (%T)", err, err)
			}
			if !strings.Contains(err.Error(), row.options.Host) || strings.Contains(err.Error(), "\n") {
				t.Errorf("it says %q, want one line with the host", err)
			}
			if u != nil && (u.NoSocket() != row.noSocket || u.Refused() != row.refused || u.TLS() != row.tls || u.Permission()) {
				t.Errorf("%v: no socket %t, refused %t, TLS %t, permission %t", err, u.NoSocket(), u.Refused(), u.TLS(), u.Permission())
			}
		})
	}
}

// silence makes a socket that nobody listens at any more.
func silence(t *testing.T, name string) {
	t.Helper()
	deaf, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	deaf.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := deaf.Close(); err != nil {
		t.Fatal(err)
	}
}

func secured(t *testing.T) *httptest.Server {
	t.Helper()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of the handshakes that fail here
	secure.StartTLS()
	t.Cleanup(secure.Close)
	return secure
}

func newCertificate(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// writeCA writes the server's certificate, or that of another server.
func writeCA(t *testing.T, dir string, s *httptest.Server) string {
	t.Helper()
	name, raw := filepath.Join(dir, "ca.pem"), []byte(nil)
	if s == nil {
		raw = newCertificate(t)
	} else {
		raw = s.Certificate().Raw
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestWhatNewRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	there := filepath.Join(dir, "there.pem")
	if err := os.WriteFile(there, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		options Options
		want    string
	}{
		"a host without a scheme":      {Options{Host: "127.0.0.1:2375"}, "want unix:///var/run/docker.sock or tcp://host:port"},
		"ssh":                          {Options{Host: "ssh://me@there"}, "ssh is not supported"},
		"an authority that is missing": {Options{Host: "tcp://h:1", TLSCACert: dir + "/no-ca.pem"}, dir + "/no-ca.pem"},
		"a key that is missing":        {Options{Host: "tcp://h:1", TLSCACert: there, TLSCert: there, TLSKey: dir + "/no-key.pem"}, dir + "/no-key.pem"},
		"a certificate without a key":  {Options{Host: "tcp://h:1", TLSCACert: there, TLSCert: there}, "go together"},
		"an authority that is none":    {Options{Host: "tcp://h:1", TLSCACert: there}, there},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := New(row.options); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, want %q in it", err, row.want)
			}
		})
	}
}

func TestEnginesThatAreTooOldOrTooNew(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		v      version
		pinned string
		want   string // "" for no error
	}{
		"old enough":                  {version{Version: "20.10", API: "1.41", MinAPI: "1.12"}, "", ""},
		"older than anything":         {version{Version: "1.11", API: "1.23"}, "", "API 1.23, at least 1.24"},
		"newer than anything":         {version{Version: "40", API: "1.70", MinAPI: "1.52"}, "", "API 1.52 to 1.70, at most 1.51"},
		"older than what is pinned":   {version{Version: "20.10", API: "1.41", MinAPI: "1.12"}, "1.43", "older than the 1.43"},
		"newer than what is pinned":   {version{Version: "29", API: "1.52", MinAPI: "1.44"}, "1.43", "newer than the 1.43"},
		"what is pinned":              {version{Version: "29", API: "1.52", MinAPI: "1.44"}, "1.44", ""},
		"something that is no engine": {version{}, "", "no container engine"},
	} {
		err := row.v.check(row.pinned)
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%s: %v, want %q", name, err, row.want)
		}
	}
}
