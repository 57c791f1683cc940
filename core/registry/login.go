package registry

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/refit-dev/refit/core"
)

const (
	// hubKey is Docker Hub's name in config.json and for helpers, for reasons of history.
	hubKey = "https://index.docker.io/v1/"
	hub    = "docker.io"
)

// login is what config.json has for one registry host.
type login struct {
	auth authn.AuthConfig
	// fault says why there are no credentials where there should be. A firm one
	// keeps the registry from being asked at all. One that is not firm may not
	// concern this registry: it is asked without a login, and the fault is told
	// only if it wants one.
	fault core.Reason
	firm  bool
}

func (l login) none() bool { return l.auth == authn.AuthConfig{} }

// config is Docker's config.json, as far as logins go. The entries stay raw, so
// that a broken one breaks nothing but its own registry's login. The library's
// own keychain would fail all registries then. It also knows no other directory
// than the environment's, and waits forever for a helper that hangs.
type config struct {
	Auths       map[string]json.RawMessage `json:"auths"`
	CredsStore  string                     `json:"credsStore"`
	CredHelpers map[string]string          `json:"credHelpers"`

	// fault is set where the file is there and cannot be read.
	fault core.Reason
}

// loadConfig reads config.json in dir, or where Docker looks if dir is "". There
// need not be one.
func loadConfig(dir string) *config {
	if dir == "" {
		dir = os.Getenv("DOCKER_CONFIG")
	}
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return &config{} // no home, no logins: as Docker has it
		}
		dir = filepath.Join(home, ".docker")
	}
	path := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &config{}
	}
	if err != nil {
		return &config{fault: core.Reason{Code: core.BadCredentials, Text: path + " cannot be read"}}
	}
	c, err := parseConfig(text)
	if err != nil {
		return &config{fault: core.Reason{Code: core.BadCredentials, Text: path + " is not valid JSON of Docker's form"}}
	}
	return c
}

func parseConfig(text []byte) (*config, error) {
	var c config
	if len(bytes.TrimSpace(text)) == 0 {
		return &c, nil // Docker takes an empty file for none
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("parse config.json: %w", err)
	}
	return &c, nil
}

// login looks up the credentials for a registry host. Where a helper has them
// it is run, and killed when ctx ends.
func (c *config) login(ctx context.Context, host string) login {
	if c.fault.Code != "" {
		return login{fault: c.fault}
	}
	entry, listed := find(c.Auths, host)
	helper, own := find(c.CredHelpers, host)
	if !own {
		helper = c.CredsStore
	}
	if helper == "" {
		return stored(entry, host)
	}
	auth, why := runHelper(ctx, helper, host)
	if why == "" {
		return login{auth: auth}
	}
	return login{
		fault: core.Reason{Code: core.BadCredentials, Text: fmt.Sprintf("the credential helper docker-credential-%s for %s %s", helper, host, why)},
		// docker login leaves an empty entry for each registry whose
		// credentials it has given to the store. A registry that has none is
		// most likely public, and the store has nothing to say about it.
		firm: own || listed,
	}
}

// stored reads an entry of auths; raw is empty where there is none.
func stored(raw json.RawMessage, host string) login {
	if len(raw) == 0 {
		return login{}
	}
	var auth authn.AuthConfig
	if json.Unmarshal(raw, &auth) != nil {
		return login{
			fault: core.Reason{Code: core.BadCredentials, Text: "the login for " + host + " in Docker's config.json is not readable"},
			firm:  true,
		}
	}
	return login{auth: auth}
}

// find looks a host up in a map of config.json. A key is a host or a URL that
// begins with it, as old versions of Docker wrote them. Of several for Docker Hub
// the one counts that docker login writes, as in Docker's own command.
func find[V any](m map[string]V, host string) (V, bool) {
	for _, key := range []string{serverAddress(host), host} {
		if v, ok := m[key]; ok {
			return v, true
		}
	}
	keys := make([]string, 0, len(m))
	for key := range m {
		if keyHost(key) == host {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		var none V
		return none, false
	}
	return m[slices.Min(keys)], true // any, but always the same
}

// keyHost is the registry host that a key of config.json is about.
func keyHost(key string) string {
	for _, scheme := range []string{"https://", "http://"} {
		key = strings.TrimPrefix(key, scheme)
	}
	key, _, _ = strings.Cut(key, "/")
	switch key {
	case "index.docker.io", "registry-1.docker.io":
		return hub
	}
	return key
}

// serverAddress is what helpers and the engine call a registry host.
func serverAddress(host string) string {
	if host == hub {
		return hubKey
	}
	return host
}

// runHelper asks a credential helper, by the protocol of
// github.com/docker/docker-credential-helpers. why is "" or the end of a
// sentence about the helper; what it printed is not in it.
func runHelper(ctx context.Context, helper, host string) (auth authn.AuthConfig, why string) {
	cmd := exec.CommandContext(ctx, "docker-credential-"+helper, "get")
	cmd.Stdin = strings.NewReader(serverAddress(host))
	cmd.WaitDelay = time.Second // a child of the helper may hold its output open
	out, err := cmd.Output()
	switch {
	case ctx.Err() != nil:
		return auth, "does not answer"
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return auth, "is not installed here"
	case err != nil && strings.TrimSpace(string(out)) == "credentials not found in native keychain":
		return auth, "" // the protocol's words for: no login
	case err != nil:
		return auth, "failed"
	}
	var creds struct{ Username, Secret string }
	if json.Unmarshal(out, &creds) != nil {
		return auth, "answers in a way that makes no sense"
	}
	if creds.Username == "<token>" {
		return authn.AuthConfig{IdentityToken: creds.Secret}, ""
	}
	return authn.AuthConfig{Username: creds.Username, Password: creds.Secret}, ""
}

// EngineAuth returns the value of the X-Registry-Auth header with which the
// engine may pull the reference, "" where there are no credentials for its
// registry. The value is a secret. An error answers Reason() core.Reason.
func (r *Registry) EngineAuth(ctx context.Context, ref core.Reference) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout())
	defer cancel()
	host := hostOf(ref)
	l := loadConfig(r.ConfigDir).login(ctx, host)
	if l.firm {
		return "", loginError{l.fault}
	}
	if l.none() {
		return "", nil
	}
	value, err := json.Marshal(map[string]string{
		"username": l.auth.Username, "password": l.auth.Password,
		"identitytoken": l.auth.IdentityToken, "registrytoken": l.auth.RegistryToken,
		"serveraddress": serverAddress(host),
	})
	if err != nil { // strings only: cannot happen
		return "", fmt.Errorf("encode the login for %s: %w", host, err)
	}
	return base64.URLEncoding.EncodeToString(value), nil
}

// loginError says why there are no credentials.
type loginError struct{ reason core.Reason }

func (e loginError) Error() string { return e.reason.Text }

// Reason is for the step that needed the credentials.
func (e loginError) Reason() core.Reason { return e.reason }
