package registry_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// helper puts a credential helper of that name, a shell script, on the PATH.
func helper(t *testing.T, name, script string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "docker-credential-"+name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\nread -r server\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
}

// These tests set the environment, so they are not parallel.

func TestCredentialsComeFromDockersConfig(t *testing.T) {
	give := `printf '{"ServerURL":"%s","Username":"u","Secret":"` + password + `"}' "$server"`
	const none = `echo "credentials not found in native keychain"; exit 1`
	helper(t, "works", `[ "$server" = "$REFIT_TEST_HOST" ] || { `+none+`; }; `+give)
	helper(t, "empty", none)
	helper(t, "fails", `echo "`+password+`"; echo "`+password+`" >&2; exit 1`)
	helper(t, "babbles", `echo "`+password+`"`)
	auth := base64.StdEncoding.EncodeToString([]byte("u:" + password))
	tests := map[string]struct {
		config string // HOST stands for the registry's
		want   core.Reason
	}{
		"auth":                      {config: `{"auths":{"HOST":{"auth":"` + auth + `"}}}`},
		"user and password":         {config: `{"auths":{"HOST":{"username":"u","password":"` + password + `"}}}`},
		"a URL for a host":          {config: `{"auths":{"http://HOST/v1/":{"auth":"` + auth + `"}}}`},
		"a helper for the registry": {config: `{"credHelpers":{"HOST":"works"}}`},
		"a helper before the store": {config: `{"credsStore":"missing","credHelpers":{"HOST":"works"}}`},
		"a store":                   {config: `{"auths":{"HOST":{}},"credsStore":"works"}`},
		"a broken entry for another registry": {
			config: `{"auths":{"other.example":{"auth":"%%%"},"another.example":7,"HOST":{"auth":"` + auth + `"}}}`,
		},

		"none":                      {`{}`, core.Reason{Code: core.Unauthorized, Text: "HOST/web:1 is not there, or needs a login"}},
		"an empty file":             {" \n", core.Reason{Code: core.Unauthorized, Text: "HOST/web:1 is not there, or needs a login"}},
		"a store that has no login": {`{"credsStore":"empty"}`, core.Reason{Code: core.Unauthorized, Text: "HOST/web:1 is not there, or needs a login"}},
		"a login for another registry": {
			`{"auths":{"other.example":{"auth":"` + auth + `"}}}`,
			core.Reason{Code: core.Unauthorized, Text: "HOST/web:1 is not there, or needs a login"},
		},
		"a helper that is missing": {
			`{"credHelpers":{"HOST":"missing"}}`,
			core.Reason{Code: core.BadCredentials, Text: "the credential helper docker-credential-missing for HOST is not installed here"},
		},
		"a store that is missing": {
			`{"auths":{"HOST":{}},"credsStore":"missing"}`,
			core.Reason{Code: core.BadCredentials, Text: "the credential helper docker-credential-missing for HOST is not installed here"},
		},
		"a store that is missing, without an entry": {
			`{"credsStore":"missing"}`,
			core.Reason{Code: core.BadCredentials, Text: "the credential helper docker-credential-missing for HOST is not installed here"},
		},
		"a helper that fails": {
			`{"credHelpers":{"HOST":"fails"}}`,
			core.Reason{Code: core.BadCredentials, Text: "the credential helper docker-credential-fails for HOST failed"},
		},
		"a helper that babbles": {
			`{"credHelpers":{"HOST":"babbles"}}`,
			core.Reason{Code: core.BadCredentials, Text: "the credential helper docker-credential-babbles for HOST answers in a way that makes no sense"},
		},
		"a broken entry": {
			`{"auths":{"HOST":{"auth":"` + password + `%"}}}`,
			core.Reason{Code: core.BadCredentials, Text: "the login for HOST in Docker's config.json is not readable"},
		},
		"no JSON at all": {
			`{"auths": ` + password,
			core.Reason{Code: core.BadCredentials, Text: "DIR/config.json is not valid JSON of Docker's form"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			private := registrytest.New(t, registrytest.Options{User: "u", Password: password})
			public := registrytest.New(t, registrytest.Options{})
			t.Setenv("REFIT_TEST_HOST", private.Host)
			r := checker(t, strings.ReplaceAll(test.config, "HOST", private.Host))
			q, other := query(private.Host+"/web:1"), query(public.Host+"/web:1")
			want := map[core.Query]core.Answer{q: {Digest: must(private.Push("web", "1"))}, other: {Digest: must(public.Push("web", "1"))}}
			if test.want.Code != "" {
				test.want.Text = strings.NewReplacer("HOST", private.Host, "DIR", r.ConfigDir).Replace(test.want.Text)
				want[q] = core.Answer{Fault: test.want}
			}
			got := r.Check(t.Context(), []core.Query{q, other})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			discreet(t, got[q])
			for _, seen := range public.Requests() {
				if seen.Authorization != "" {
					t.Errorf("the other registry was sent credentials: %+v", seen)
				}
			}
		})
	}
}

func TestAHelperThatHangsCostsItsOwnRegistryATimeout(t *testing.T) {
	helper(t, "hangs", "sleep 15")
	private, public := registrytest.New(t, registrytest.Options{}), registrytest.New(t, registrytest.Options{})
	want := must(public.Push("web", "1"))
	r := checker(t, fmt.Sprintf(`{"credHelpers":{%q:"hangs"}}`, private.Host))
	r.Timeout = 3 * time.Second
	q, other := query(private.Host+"/web:1"), query(public.Host+"/web:1")
	begun := time.Now()
	got := r.Check(t.Context(), []core.Query{q, other})
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	if f := got[q].Fault; f.Code != core.BadCredentials || !strings.HasSuffix(f.Text, "does not answer") {
		t.Errorf("got %v", f)
	}
	if got[other].Digest != want {
		t.Errorf("the other registry: %v", got[other].Fault)
	}
}

func TestTheConfigIsFoundWhereDockerLooks(t *testing.T) {
	reg := registrytest.New(t, registrytest.Options{User: "u", Password: password})
	want := must(reg.Push("web", "1"))
	home := t.TempDir()
	dir := filepath.Join(home, ".docker")
	if err := os.Rename(configDir(t, loginFor(reg.Host, "u", password)), dir); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string][2]string{"in DOCKER_CONFIG": {"/nonexistent", dir}, "in the home directory": {home, ""}} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("HOME", env[0])
			t.Setenv("DOCKER_CONFIG", env[1])
			var r registry.Registry // the zero value works
			t.Cleanup(r.Close)
			if got := one(t, &r, query(reg.Host+"/web:1")); got.Digest != want {
				t.Errorf("got %+v, want %s", got, want)
			}
		})
	}
}

func TestAConfigThatCannotBeReadIsToldWhereALoginIsNeeded(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{User: "u", Password: password})
	r := checker(t, "")
	path := filepath.Join(r.ConfigDir, "config.json")
	if err := os.Mkdir(path, 0o700); err != nil { // a bind mount of a file that was not there makes a directory
		t.Fatal(err)
	}
	want := core.Reason{Code: core.BadCredentials, Text: path + " cannot be read"}
	if got := one(t, r, query(reg.Host+"/web:1")); got.Fault != want {
		t.Errorf("got %v, want %v", got.Fault, want)
	}
}

func TestCredentialsDoNotFollowARedirect(t *testing.T) {
	t.Parallel()
	for name, bearer := range map[string]bool{"basic": false, "a token": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, registrytest.Options{User: "u", Password: password, Bearer: bearer})
			elsewhere := registrytest.New(t, registrytest.Options{})
			want := must(elsewhere.Push("web", "1"))
			reg.Misbehave(registrytest.On(http.MethodHead, registrytest.Manifests, func(w http.ResponseWriter, q *http.Request) bool {
				http.Redirect(w, q, "http://"+elsewhere.Host+q.URL.Path, http.StatusTemporaryRedirect)
				return true
			}))
			if got := one(t, checker(t, loginFor(reg.Host, "u", password)), query(reg.Host+"/web:1")); got.Digest != want {
				t.Errorf("got %+v, want %s", got, want)
			}
			for _, q := range elsewhere.Requests() {
				if q.Authorization != "" {
					t.Errorf("credentials went along: %+v", q)
				}
			}
			if reg.Count(http.MethodHead, registrytest.Manifests) == 0 || len(elsewhere.Requests()) == 0 {
				t.Error("there was no redirect: this test shows nothing")
			}
		})
	}
}

func TestTheEngineGetsTheLoginOfTheReferencesRegistry(t *testing.T) {
	t.Parallel()
	auth := base64.StdEncoding.EncodeToString([]byte("u:" + password))
	config := `{"auths":{"https://index.docker.io/v1/":{"auth":"` + auth + `"},"registry.example:5000":{"identitytoken":"` + password + `"},
		"broken.example":{"auth":"%"}},"credHelpers":{"helped.example":"no-such-helper"}}`
	tests := map[string]map[string]string{
		"docker.io/library/web":     {"serveraddress": "https://index.docker.io/v1/", "username": "u", "password": password},
		"registry.example:5000/web": {"serveraddress": "registry.example:5000", "identitytoken": password},
		"other.example/web":         nil,
	}
	r := checker(t, config)
	for repository, want := range tests {
		got, err := r.EngineAuth(t.Context(), core.Reference{Repository: repository, Tag: "1"})
		if err != nil {
			t.Errorf("%s: %v", repository, err)
		}
		if diff := cmp.Diff(want, decoded(t, got)); diff != "" {
			t.Errorf("%s: %s", repository, diff)
		}
	}
	for _, repository := range []string{"broken.example/web", "helped.example/web"} {
		_, err := r.EngineAuth(t.Context(), core.Reference{Repository: repository, Tag: "1"})
		var reasoned interface{ Reason() core.Reason }
		if !errors.As(err, &reasoned) || reasoned.Reason().Code != core.BadCredentials {
			t.Errorf("%s: got error %v, want one with a reason", repository, err)
		}
	}
}

func TestABrokenConfigDoesNotKeepTheEngineFromPullingWhatIsPublic(t *testing.T) {
	t.Parallel()
	got, err := checker(t, "{").EngineAuth(context.Background(), core.Reference{Repository: "docker.io/library/web", Tag: "1"})
	if got != "" || err != nil {
		t.Errorf("got %q, %v, want nothing", got, err)
	}
}

// decoded reads an X-Registry-Auth value as the engine does, without its empty fields.
func decoded(t *testing.T, value string) map[string]string {
	t.Helper()
	if value == "" {
		return nil
	}
	text, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		t.Fatal(err)
	}
	var auth map[string]string
	if err := json.Unmarshal(text, &auth); err != nil {
		t.Fatal(err)
	}
	for name, v := range auth {
		if v == "" {
			delete(auth, name)
		}
	}
	return auth
}
