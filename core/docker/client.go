// Package docker speaks with a Docker Engine: it lists, inspects, clones,
// starts, stops, pulls and tags, as core/update asks it to.
//
// Nothing here decides anything. What is to be done with a container is core's
// business, in which order it is core/update's, and what a registry says of a
// tag is core/registry's.
package docker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/client"
	"github.com/refit-dev/refit/core"
)

// defaultPullStall is how long a pull may go without any progress.
const defaultPullStall = 2 * time.Minute

// Options say how to reach an engine. The zero value reaches the one that the
// docker command would: DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH and
// DOCKER_API_VERSION are honoured where a field is empty.
type Options struct {
	// Host is "unix:///var/run/docker.sock" or "tcp://127.0.0.1:2376".
	Host string
	// TLSVerify asks for TLS. Naming one of the files asks for it as well. The
	// engine's certificate is always verified.
	TLSVerify bool
	// TLSCACert, TLSCert and TLSKey are files in PEM. An empty one is looked
	// for in DOCKER_CERT_PATH, else in ~/.docker, as ca.pem, cert.pem and key.pem.
	TLSCACert, TLSCert, TLSKey string
	// APIVersion pins the version of the API ("1.41") and switches negotiation off.
	APIVersion string
	// RegistryAuth returns what goes into the X-Registry-Auth header of a pull, ""
	// for nothing. Nil means that no registry asks for credentials.
	RegistryAuth func(ctx context.Context, r core.Reference) (string, error)
	// PullStall is how long a pull may go without any progress; 0 means two minutes.
	PullStall time.Duration
}

// Client is a connection to one engine. It may be used by several goroutines.
// It does not connect before the first call.
type Client struct {
	api     *client.Client
	base    url.URL // of the engine, without the version
	host    string  // as people write it
	cert    string  // the file with the certificate that is shown to the engine, "" for none
	options Options

	mu     sync.Mutex // guards engine
	engine *version   // what the engine said of itself, once it has

	memory memory // of inspections, while the events are heard
}

// New prepares a connection. It does no network I/O: a file that is missing or a
// host that makes no sense is found here, an engine that does not answer by Ping.
func New(o Options) (*Client, error) {
	if o.Host == "" {
		o.Host = os.Getenv(client.EnvOverrideHost)
	}
	if o.Host == "" {
		o.Host = client.DefaultDockerHost
	}
	if o.APIVersion == "" {
		o.APIVersion = os.Getenv(client.EnvOverrideAPIVersion)
	}
	if o.PullStall <= 0 {
		o.PullStall = defaultPullStall
	}
	host, err := parseHost(o.Host)
	if err != nil {
		return nil, err
	}
	// As the library's own, but ours, so that it can be given a sentry.
	over := &http.Client{
		Transport:     &http.Transport{MaxIdleConns: 6, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: client.CheckRedirect,
	}
	opts := []client.Opt{
		client.WithHTTPClient(over), client.WithHost(o.Host), client.WithVersion(o.APIVersion), client.WithAPIVersionNegotiation(),
	}
	secure, err := o.tls()
	if err != nil {
		return nil, err
	}
	if host.Scheme == "unix" {
		secure = nil // the environment may speak of another engine
	}
	if secure != nil {
		opts = append(opts, client.WithTLSClientConfig(secure.ca, secure.cert, secure.key))
	}
	api, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to %s: %w", o.Host, err)
	}
	over.Transport = sentry{over.Transport}
	c := &Client{api: api, host: o.Host, options: o, base: url.URL{Scheme: "http", Host: host.Host, Path: host.Path}}
	if host.Scheme == "unix" {
		c.base.Host = client.DummyHost
	}
	if secure != nil {
		c.base.Scheme, c.cert = "https", secure.cert
	}
	return c, nil
}

// Close gives the idle connections back.
func (c *Client) Close() error { return c.api.Close() }

// parseHost takes the address of an engine apart.
func parseHost(host string) (*url.URL, error) {
	u, err := client.ParseHostURL(host)
	if err != nil {
		return nil, fmt.Errorf("engine's host %q: want unix:///var/run/docker.sock or tcp://host:port", host)
	}
	switch u.Scheme {
	case "unix", "tcp", "http", "https":
		return u, nil
	case "ssh":
		return nil, fmt.Errorf("engine's host %q: ssh is not supported: forward the socket with ssh -L and use unix://", host)
	default:
		return nil, fmt.Errorf("engine's host %q: %s:// is not supported: want unix:// or tcp://", host, u.Scheme)
	}
}

// tlsFiles are the files that a TLS connection is made from. cert and key are
// both empty where the client shows no certificate.
type tlsFiles struct{ ca, cert, key string }

// tls returns the files to use, nil where TLS is not asked for. Like the docker
// command it needs an authority, and shows a certificate only if there is one.
func (o Options) tls() (*tlsFiles, error) {
	if !o.TLSVerify && o.TLSCACert == "" && o.TLSCert == "" && o.TLSKey == "" &&
		os.Getenv(client.EnvTLSVerify) == "" {
		return nil, nil
	}
	dir := os.Getenv(client.EnvOverrideCertPath)
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, fmt.Errorf("look for TLS files: %w", err)
		}
		dir = filepath.Join(home, ".docker")
	}
	files := &tlsFiles{ca: o.TLSCACert, cert: o.TLSCert, key: o.TLSKey}
	if files.ca == "" {
		files.ca = filepath.Join(dir, "ca.pem")
	}
	if files.cert == "" {
		files.cert = ifThere(filepath.Join(dir, "cert.pem"))
	}
	if files.key == "" {
		files.key = ifThere(filepath.Join(dir, "key.pem"))
	}
	return files, files.check()
}

func (f tlsFiles) check() error {
	for what, name := range map[string]string{"authority": f.ca, "certificate": f.cert, "key": f.key} {
		if name == "" {
			continue
		}
		if _, err := os.ReadFile(name); err != nil {
			return fmt.Errorf("read the TLS %s: %w", what, err)
		}
	}
	if (f.cert == "") != (f.key == "") {
		return errors.New("use TLS: a client's certificate and its key go together, one of them is missing")
	}
	return nil
}

func ifThere(name string) string {
	if _, err := os.Stat(name); err != nil {
		return ""
	}
	return name
}

// ready makes sure that the engine has been asked which API it speaks. It asks
// once: every later call goes out in the version that was agreed upon.
func (c *Client) ready(ctx context.Context) error {
	_, err := c.negotiate(ctx)
	return err
}

func (c *Client) negotiate(ctx context.Context) (version, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.engine != nil {
		return *c.engine, nil
	}
	v, err := c.askVersion(ctx)
	if err != nil {
		return version{}, err
	}
	c.api.NegotiateAPIVersionPing(types.Ping{APIVersion: v.API, OSType: v.OS})
	c.engine = &v
	return v, nil
}
