package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// registryOptions are those that say how registries are asked.
var registryOptions = []option{
	{
		name: "insecure-registry", group: groupEngine, value: "HOST", many: true,
		help: "A registry, `host` or `host:port`, that is asked over plain HTTP or without checking its certificate. May be given more than once. Registries on this machine's loopback need no flag.",
		set: func(c *config, text string) error {
			if text == "" || strings.ContainsAny(text, "/@ ") {
				return errors.New("is not a host or host:port")
			}
			c.insecureRegistries = append(c.insecureRegistries, text)
			return nil
		},
	},
	{
		name: "registry-ca", group: groupEngine, value: "FILE", many: true, lines: true,
		help: "An authority, in PEM, that may sign the certificates of registries, beside those that everybody trusts. May be given more than once; its variable holds one in each line.",
		set:  addAuthority,
	},
	{
		name: "registry-mirrors", group: groupEngine,
		help: "Ask the mirrors of Docker Hub that the engine pulls from (`registry-mirrors` in its daemon.json) before Docker Hub itself.",
		set:  toggle(func(c *config) *bool { return &c.registryMirrors }),
	},
	{
		name: "registry-timeout", group: groupEngine, value: "DURATION", initial: "10s",
		help: "How long one registry may take to answer about one image. Where a registry limits how often it is asked, an image waits as long for its turn.",
		set:  span(func(c *config) *time.Duration { return &c.registryTimeout }, 100*time.Millisecond),
	},
	{
		name: "registry-parallel", group: groupEngine, value: "N", initial: "20",
		help: "How many requests may be under way to one registry. All together never have more than 100.",
		set:  count(func(c *config) *int { return &c.registryParallel }),
	},
}

// addAuthority trusts what the file says, beside what is trusted anyway.
func addAuthority(c *config, text string) error {
	certificates, err := os.ReadFile(text)
	if err != nil {
		var path *fs.PathError // says the file's name again
		if errors.As(err, &path) {
			err = path.Err
		}
		return fmt.Errorf("cannot be read: %w", err)
	}
	if c.registryRoots == nil {
		if c.registryRoots, err = x509.SystemCertPool(); err != nil {
			return fmt.Errorf("cannot be added to the system's authorities: %w", err)
		}
	}
	if !c.registryRoots.AppendCertsFromPEM(certificates) {
		return errors.New("holds no certificate in PEM form")
	}
	return nil
}
