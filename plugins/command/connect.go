package command

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/docker/docker/client"
)

// connect prepares a connection to the engine that the environment names. It does no
// network I/O. The client's own way wants a certificate of ours wherever there is TLS;
// the docker command, like Refit, shows one only if there is one.
func connect() (*client.Client, error) {
	opts := []client.Opt{client.WithHostFromEnv(), client.WithVersionFromEnv(), client.WithAPIVersionNegotiation()}
	// A socket has no TLS: the environment may speak of another engine.
	if os.Getenv(client.EnvTLSVerify) != "" && !onSocket(os.Getenv(client.EnvOverrideHost)) {
		opts = append(opts, client.WithTLSClientConfig(tlsFiles()))
	}
	return client.NewClientWithOpts(opts...)
}

func onSocket(host string) bool { return host == "" || strings.HasPrefix(host, "unix://") }

// tlsFiles names the files as the docker command does.
func tlsFiles() (ca, cert, key string) {
	dir := os.Getenv(client.EnvOverrideCertPath)
	if home, err := os.UserHomeDir(); dir == "" && err == nil {
		dir = filepath.Join(home, ".docker")
	}
	ca, cert, key = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if _, err := os.Stat(cert); err != nil {
		return ca, "", ""
	}
	return ca, cert, key
}
