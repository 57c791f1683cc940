package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPluginsReachTheEngineThatFlagsName(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	tests := map[string]struct {
		args []string
		env  map[string]string
		want map[string]string
	}{
		"nothing is said": {
			want: map[string]string{"DOCKER_HOST": "unix:///var/run/docker.sock", "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""},
		},
		"a flag beats the environment": {
			args: []string{"--host", "tcp://h:1"}, env: map[string]string{"DOCKER_HOST": "tcp://other:1", "DOCKER_API_VERSION": "1.41"},
			want: map[string]string{"DOCKER_HOST": "tcp://h:1", "DOCKER_API_VERSION": "1.41", "DOCKER_TLS_VERIFY": ""},
		},
		"a socket has no certificates, whatever the environment says": {
			args: []string{"--host", "unix:///x.sock"}, env: map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"},
			want: map[string]string{"DOCKER_HOST": "unix:///x.sock", "DOCKER_TLS_VERIFY": "", "DOCKER_CERT_PATH": ""},
		},
		"docker's folder of certificates": {
			env:  map[string]string{"DOCKER_HOST": "tcp://h:1", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"},
			want: map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"},
		},
		"the folder at home": {
			args: []string{"--host", "tcp://h:1", "--tlsverify"},
			want: map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": filepath.Join(home, ".docker")},
		},
		"anything else is the environment's": {
			env:  map[string]string{"TOKEN": "x"},
			want: map[string]string{"TOKEN": "x", "HOME": home},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := configure(tt.args, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			s := surroundings{config: c, outer: func(name string) string {
				if name == "HOME" {
					return home
				}
				return tt.env[name]
			}}
			for variable, want := range tt.want {
				if got := s.getenv(variable); got != want {
					t.Errorf("%s is %q, want %q", variable, got, want)
				}
			}
		})
	}
}

func TestTLSFilesOfAnyNameAreGatheredForPlugins(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	for _, name := range []string{"authority", "mine", "secret"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := func(name string) string { return filepath.Join(folder, name) }
	c, err := configure([]string{"--host", "tcp://h:1", "--tlscacert", at("authority"), "--tlscert", at("mine"), "--tlskey", at("secret")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := surroundings{config: c, outer: func(name string) string { return map[string]string{"TMPDIR": folder}[name] }}
	made := s.getenv("DOCKER_CERT_PATH")
	if again := s.getenv("DOCKER_CERT_PATH"); again != made {
		t.Errorf("two questions made %s and %s", made, again)
	}
	for name, want := range map[string]string{"ca.pem": "authority", "cert.pem": "mine", "key.pem": "secret"} {
		got, err := os.ReadFile(filepath.Join(made, name))
		if err != nil || string(got) != want {
			t.Errorf("%s has %q (%v), want %q", name, got, err, want)
		}
	}
	if err := s.close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(made); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", made, err)
	}
	if _, err := os.Stat(at("secret")); err != nil {
		t.Errorf("the key went with its link: %v", err)
	}
}
