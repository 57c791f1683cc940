package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// surroundings are what plugins see of Refit's environment. The engine that flags
// name is in it as docker's variables, because a plugin knows no other way to it.
type surroundings struct {
	config
	outer func(string) string

	once sync.Once
	made string // a folder of ours with links to the TLS files, "" if there is none
}

// getenv is for plugins.
func (s *surroundings) getenv(name string) string {
	switch secure := s.secure(); name {
	case "DOCKER_HOST":
		return s.host
	case "DOCKER_API_VERSION":
		return s.apiVersion
	case "DOCKER_TLS_VERIFY":
		if secure {
			return "1"
		}
		return ""
	case "DOCKER_CERT_PATH":
		if secure {
			return s.certPath()
		}
		return ""
	}
	return s.outer(name)
}

// secure tells whether the engine is talked to over TLS: the same rule as core/docker's.
func (s *surroundings) secure() bool {
	asked := s.tlsVerify || s.caCert != "" || s.tlsCert != "" || s.tlsKey != ""
	return asked && !strings.HasPrefix(s.host, "unix:")
}

// certPath is a folder that has the files under the names that docker wants. Where
// flags name them, it is made at the first question; close removes it.
func (s *surroundings) certPath() string {
	standard := s.outer("DOCKER_CERT_PATH")
	if standard == "" {
		standard = filepath.Join(s.outer("HOME"), ".docker")
	}
	if s.caCert == "" && s.tlsCert == "" && s.tlsKey == "" {
		return standard
	}
	s.once.Do(func() { s.gather(standard) })
	if s.made == "" { // what is missing, the plugin says when it needs it
		return standard
	}
	return s.made
}

// gather links the files that flags name, and those of the standard folder beside
// them, in a folder of its own.
func (s *surroundings) gather(standard string) {
	folder, err := os.MkdirTemp(s.outer("TMPDIR"), "refit-tls-")
	if err != nil { // an image from scratch has no /tmp
		folder, err = os.MkdirTemp(s.data, "refit-tls-")
	}
	if err != nil {
		return
	}
	s.made = folder
	for name, file := range map[string]string{"ca.pem": s.caCert, "cert.pem": s.tlsCert, "key.pem": s.tlsKey} {
		if file == "" {
			file = filepath.Join(standard, name)
		}
		if file, err = filepath.Abs(file); err == nil {
			_ = os.Symlink(file, filepath.Join(folder, name)) // a link that is missing shows as that file
		}
	}
}

// close removes what certPath has made.
func (s *surroundings) close() error {
	if s.made == "" {
		return nil
	}
	if err := os.RemoveAll(s.made); err != nil {
		return fmt.Errorf("remove the links to the TLS files: %w", err)
	}
	return nil
}
