package registry_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

func TestALoginIsForOneHostAndPort(t *testing.T) {
	t.Parallel()
	auth := base64.StdEncoding.EncodeToString([]byte("u:" + password))
	for name, test := range map[string]struct {
		key, host string
		want      bool
	}{
		"the host":                    {"registry.test", "registry.test", true},
		"host and port":               {"registry.test:5000", "registry.test:5000", true},
		"a URL":                       {"https://registry.test:5000/v2/", "registry.test:5000", true},
		"another port":                {"registry.test:5000", "registry.test:5001", false},
		"no port for a port":          {"registry.test", "registry.test:5000", false},
		"a port for none":             {"registry.test:5000", "registry.test", false},
		"a host above":                {"registry.test", "team.registry.test", false},
		"a host that begins the same": {"registry.test", "registry.test.evil.test", false},
		"Docker Hub's for another":    {"https://index.docker.io/v1/", "registry.test", false},
		"Docker Hub's own":            {"https://index.docker.io/v1/", "docker.io", true},
		"Docker Hub's short name":     {"docker.io", "docker.io", true},
		"Docker Hub's wire name":      {"index.docker.io", "docker.io", true},
		"Docker Hub's other name":     {"registry-1.docker.io", "docker.io", true},
		"Docker Hub's with version 2": {"https://index.docker.io/v2/", "docker.io", true},
	} {
		for way, bearer := range map[string]bool{"by password": false, "by token": true} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					reg := registrytest.Handler(registrytest.Options{User: "u", Password: password, Bearer: bearer})
					must(reg.Push("team/web", "1"))
					r := &registry.Registry{
						ConfigDir: configDir(t, fmt.Sprintf(`{"auths":{%q:{"auth":%q}}}`, test.key, auth)),
						Transport: reg.Transport(),
					}
					if got := one(t, r, query(test.host+"/team/web:1")); (got.Digest != "") != test.want {
						t.Errorf("got %+v, want it accepted: %v", got, test.want)
					}
					for _, q := range reg.Requests() {
						if q.Authorization != "" && !test.want {
							t.Errorf("a login went to another host: %+v", q)
						}
					}
				})
			})
		}
	}
}

func TestOfDockerHubsLoginsTheOneCountsThatDockerLoginWrites(t *testing.T) {
	t.Parallel()
	reg := registrytest.Handler(registrytest.Options{User: "u", Password: password})
	want := must(reg.Push("team/web", "1"))
	r := &registry.Registry{Transport: reg.Transport(), ConfigDir: configDir(t, `{"auths": {
		"docker.io": {"username": "u", "password": "old"},
		"https://index.docker.io/v1/": {"username": "u", "password": "`+password+`"},
		"index.docker.io": {"username": "u", "password": "older"}
	}}`)}
	if got := one(t, r, query("docker.io/team/web:1")); got.Digest != want {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestIdentityTokensAreExchanged(t *testing.T) {
	helper(t, "identity", `printf '{"ServerURL":"%s","Username":"<token>","Secret":"`+password+`"}' "$server"`)
	for name, config := range map[string]string{
		"from the file":   `{"auths":{"registry.test":{"identitytoken":"` + password + `"}}}`,
		"from docker's":   `{"auths":{"registry.test":{"auth":"MDAwMDAwMDAtMDAwMC0wMDAwLTAwMDAtMDAwMDAwMDAwMDAwOg==","identitytoken":"` + password + `"}}}`,
		"from the helper": `{"credHelpers":{"registry.test":"identity"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			reg := registrytest.Handler(registrytest.Options{User: "u", Password: "another", Bearer: true, Identity: password})
			want := must(reg.Push("web", "1"))
			r := &registry.Registry{ConfigDir: configDir(t, config), Transport: reg.Transport()}
			for range 2 {
				if got := one(t, r, query("registry.test/web:1")); got.Digest != want {
					t.Errorf("got %+v, want %s", got, want)
				}
			}
			if n := reg.Count(http.MethodPost, registrytest.Token); n != 1 {
				t.Errorf("%d exchanges, want 1", n)
			}
		})
	}
}

func TestATokenOfTheConfigIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{Bearer: true, User: "u", Password: "another"})
		must(reg.Push("web", "1"))
		r.ConfigDir = configDir(t, `{"auths":{"registry.test":{"registrytoken":"`+password+`"}}}`)
		one(t, r, query("registry.test/web:1"))
		last := reg.Requests()[len(reg.Requests())-1]
		if last.Authorization != "Bearer "+password || reg.Count("", registrytest.Token) != 0 {
			t.Errorf("got %+v", reg.Requests())
		}
	})
}

func TestAConfigThatIsReplacedIsReadAgain(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string]func(from, to string) error{
		"by a rename, as docker login does": os.Rename,
		"by writing it anew": func(from, to string) error {
			text, err := os.ReadFile(from)
			if err != nil {
				return err
			}
			return os.WriteFile(to, text, 0o600)
		},
		"by another target of a link": func(from, to string) error {
			return os.Symlink(from, to+".new") // the next line puts it in place
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, r := apart(t, registrytest.Options{User: "u", Password: password, Bearer: true})
			want := must(reg.Push("web", "1"))
			path := filepath.Join(r.ConfigDir, "config.json")
			next := filepath.Join(configDir(t, loginFor("registry.test", "u", password)), "config.json")
			if err := os.WriteFile(path, []byte(loginFor("registry.test", "u", "old")), 0o600); err != nil {
				t.Fatal(err)
			}
			if got := one(t, r, query("registry.test/web:1")); got.Fault.Code != core.Unauthorized {
				t.Errorf("before: got %+v", got)
			}
			if err := replace(next, path); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(path + ".new"); err == nil {
				if err := os.Rename(path+".new", path); err != nil {
					t.Fatal(err)
				}
			}
			if got := one(t, r, query("registry.test/web:1")); got.Digest != want {
				t.Errorf("after: got %+v", got)
			}
			// And once nobody is logged in any more, the token goes too.
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if got := one(t, r, query("registry.test/web:1")); got.Fault.Code != core.Unauthorized {
				t.Errorf("without a login: got %+v", got)
			}
		})
	}
}

func TestNothingSecretFollowsARedirect(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]string{
		"to a host below": "cdn.registry.test", "to another port": "registry.test:444", "to another host": "cdn.test",
		"to a host above": "test", "to a name that begins the same": "registry.test.evil.test",
	} {
		for way, options := range map[string]registrytest.Options{
			"by password":           {User: "u", Password: password},
			"by token":              {User: "u", Password: password, Bearer: true},
			"by identity":           {User: "v", Password: "-", Bearer: true, Identity: password},
			"of a manifest, by GET": {User: "u", Password: password, Bearer: true},
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					reg, r := apart(t, options)
					if options.Identity != "" {
						r.ConfigDir = configDir(t, `{"auths":{"registry.test":{"identitytoken":"`+password+`"}}}`)
					}
					must(reg.Push("web", "1"))
					elsewhere := registrytest.Handler(registrytest.Options{})
					want := must(elsewhere.Push("web", "1"))
					redirect := registrytest.On("", manifests, registrytest.Redirect("https://"+place))
					if strings.HasSuffix(way, "GET") {
						redirect = both(registrytest.On(head, manifests, registrytest.Status(405)), redirect)
					}
					reg.Misbehave(redirect)
					r.Transport = places{"registry.test": reg, place: elsewhere}
					if got := one(t, r, query("registry.test/web:1")); got.Digest != want {
						t.Errorf("got %+v, want %s", got, want)
					}
					if len(elsewhere.Requests()) == 0 {
						t.Error("there was no redirect: this test shows nothing")
					}
					for _, q := range elsewhere.Requests() {
						if q.Authorization != "" || strings.Contains(q.Path, password) {
							t.Errorf("something went along: %+v", q)
						}
					}
				})
			})
		}
	}
}

func TestATokenServerThatRedirectsGetsTheLoginForItselfOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{User: "u", Password: password, Bearer: true})
		elsewhere := registrytest.Handler(registrytest.Options{Bearer: true})
		must(reg.Push("web", "1"))
		reg.Misbehave(registrytest.On("", registrytest.Token, registrytest.Redirect("https://elsewhere.test")))
		r.Transport = places{"registry.test": reg, "elsewhere.test": elsewhere}
		one(t, r, query("registry.test/web:1"))
		if elsewhere.Count("", registrytest.Token) == 0 {
			t.Error("there was no redirect: this test shows nothing")
		}
		for _, q := range elsewhere.Requests() {
			if q.Authorization != "" {
				t.Errorf("the login went along: %+v", q)
			}
		}
	})
}

func TestAnIdentityTokenIsNotRepeatedElsewhere(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		to   string
		want core.Reason
	}{
		"to another host": {"https://elsewhere.test", core.Reason{
			Code: core.RegistryError,
			Text: "registry.test refers to a token server that sends logins on to another host, which is refused",
		}},
		"to another place on the same": {"https://registry.test", core.Reason{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg, r := apart(t, registrytest.Options{Bearer: true, Identity: password})
				elsewhere := registrytest.Handler(registrytest.Options{Bearer: true, Identity: password})
				must(reg.Push("web", "1"))
				r.ConfigDir = configDir(t, `{"auths":{"registry.test":{"identitytoken":"`+password+`"}}}`)
				reg.Misbehave(registrytest.On("", registrytest.Token, reg.Times(1, registrytest.Redirect(test.to))))
				r.Transport = places{"registry.test": reg, "elsewhere.test": elsewhere}
				if got := one(t, r, query("registry.test/web:1")).Fault; got != test.want {
					t.Errorf("got %v, want %v", got, test.want)
				}
				if n := len(elsewhere.Requests()); n > 0 {
					t.Errorf("%d requests went elsewhere, with the identity token", n)
				}
			})
		})
	}
}
