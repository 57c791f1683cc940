package host

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/refit-dev/refit/hooks"
)

// refusal is an error that is a whole sentence about a plugin already.
type refusal string

func (r refusal) Error() string { return string(r) }

// config is what go-plugin is told.
func (p *process) config(timeout time.Duration, temp string, printed *listener) *plugin.ClientConfig {
	return &plugin.ClientConfig{
		HandshakeConfig:  hooks.Handshake(),
		VersionedPlugins: map[int]plugin.PluginSet{hooks.ProtocolVersion: {}},
		RunnerFunc:       p.program.runnerFor,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		// Ours ends sooner, and says more.
		StartTimeout:     timeout + grace,
		SyncStdout:       printed.writer("stdout"),
		SyncStderr:       printed.writer("stderr"),
		Logger:           newChatter(p.log),
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: temp},
		GRPCDialOptions: []grpc.DialOption{
			grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage)),
			grpc.WithChainStreamInterceptor(p.learnConnection),
		},
	}
}

// checkHandshake refuses a first line by which the plugin cannot be reached, or not
// as it should be. Its parts are those of go-plugin: its own version, the version of
// the hook protocol, network, address, kind and certificate.
func checkHandshake(line string) error {
	parts := strings.Split(strings.TrimSpace(line), "|")
	if len(parts) < 4 || parts[0] != strconv.Itoa(plugin.CoreProtocolVersion) {
		return refusal(fmt.Sprintf("it does not speak as a hook does: it printed %q first", tidy(line, 80)))
	}
	if parts[1] != strconv.Itoa(hooks.ProtocolVersion) {
		return refusal(fmt.Sprintf("it speaks version %s of the hook protocol, and Refit version %d",
			tidy(parts[1], 20), hooks.ProtocolVersion))
	}
	if len(parts) < 6 || parts[4] != string(plugin.ProtocolGRPC) || parts[5] == "" {
		return refusal("it does not speak gRPC with a certificate of its own, as a hook does")
	}
	certificate, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err == nil {
		_, err = x509.ParseCertificate(certificate)
	}
	if err != nil {
		return refusal("its certificate cannot be read")
	}
	if !local(parts[2], parts[3]) {
		return refusal("it wants to be reached elsewhere than on this machine")
	}
	return nil
}

// local tells whether an address is one on this machine.
func local(network, address string) bool {
	if network == "unix" {
		return filepath.IsAbs(address)
	}
	host, _, err := net.SplitHostPort(address)
	return err == nil && network == "tcp" && net.ParseIP(host).IsLoopback()
}
