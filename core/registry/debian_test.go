package registry_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// secretHash is the password "secret" as htpasswd -B writes it.
const secretHash = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"

// docker-registry is Debian's, which nobody here wrote. Where it is not installed its
// package is fetched, once, and kept among the user's caches.
var dockerRegistry = sync.OnceValues(func() (string, error) {
	if program, err := exec.LookPath("docker-registry"); err == nil {
		return program, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "refit-tests", "docker-registry")
	program := filepath.Join(folder, "usr", "bin", "docker-registry")
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "fetching-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fetch := exec.CommandContext(ctx, "sh", "-c", "apt-get download -qq docker-registry && dpkg-deb -x docker-registry_*.deb . && rm docker-registry_*.deb")
	fetch.Dir = fresh
	if out, err := fetch.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, os.Rename(fresh, folder)
})

// debian starts Debian's registry with that configuration, in the folder dir, and
// returns its address.
func debian(t *testing.T, dir, config string) string {
	t.Helper()
	program, err := dockerRegistry()
	if err != nil {
		t.Skipf("docker-registry is not installed (apt-get install docker-registry), and cannot be fetched: %v", err)
	}
	path := filepath.Join(dir, "config.yml")
	text := "version: 0.1\nlog: {level: info}\nstorage: {inmemory: {}}\nhttp: {addr: \"127.0.0.1:0\"}\n" + config
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "serve", path)
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Its log is read to the end: it would stand still once the pipe is full.
	listening, ended := make(chan string, 1), make(chan string, 1)
	go func() {
		last := ""
		for lines := bufio.NewScanner(output); lines.Scan(); last = lines.Text() {
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				listening <- m[1]
			}
		}
		ended <- last
	}()
	t.Cleanup(func() { _ = cmd.Wait() }) // t.Context has ended by now, which killed it
	select {
	case host := <-listening:
		return host
	case last := <-ended:
		t.Fatalf("docker-registry ended before it listened: %s", last)
		return ""
	}
}

var listens = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

// withUsers is the configuration for the user "u" with the password "secret".
func withUsers(t *testing.T, dir string) string {
	t.Helper()
	users := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(users, []byte("u:"+secretHash+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", users)
}

func TestARegistryThatNobodyHereWrote(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	host := debian(t, dir, withUsers(t, dir))
	auth := remote.WithAuth(&authn.Basic{Username: "u", Password: "secret"})
	image := must(random.Image(64, 1))
	oci := mutate.ConfigMediaType(mutate.MediaType(image, types.OCIManifestSchema1), types.OCIConfigJSON)
	index := must(random.Index(64, 1, 2))
	list := mutate.IndexMediaType(index, types.DockerManifestList)
	var queries []core.Query
	var digests []string
	pushed := func(name string, digest v1.Hash, err error) {
		if err != nil {
			t.Fatal(err)
		}
		queries, digests = append(queries, query(host+"/team/"+name+":1")), append(digests, digest.String())
	}
	tag := func(n string) name.Tag { return must(name.NewTag(host + "/team/" + n + ":1")) }
	pushed("image", must(image.Digest()), remote.Write(tag("image"), image, auth))
	pushed("oci", must(oci.Digest()), remote.Write(tag("oci"), oci, auth))
	pushed("index", must(index.Digest()), remote.WriteIndex(tag("index"), index, auth))
	pushed("list", must(list.Digest()), remote.WriteIndex(tag("list"), list, auth))
	queries = append(queries, query(host+"/team/image:2"), query(host+"/none:1"))

	refused := []string{"unauthorized", "unauthorized", "unauthorized", "unauthorized", "unauthorized", "unauthorized"}
	for name, test := range map[string]struct {
		config string
		want   []string // a digest or a reason's code, for each query
	}{
		"with a login":       {loginFor(host, "u", "secret"), append(digests, string(core.NotFound), string(core.NotFound))},
		"with a wrong login": {loginFor(host, "u", password), refused},
		"without a login":    {"", refused},
	} {
		t.Run(name, func(t *testing.T) {
			r := &registry.Registry{ConfigDir: configDir(t, test.config), Transport: &http.Transport{}}
			t.Cleanup(r.Close)
			for cycle := 1; cycle <= 2; cycle++ {
				answers := r.Check(t.Context(), queries)
				var got []string
				for _, q := range queries {
					discreet(t, answers[q])
					got = append(got, answers[q].Digest+string(answers[q].Fault.Code))
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("cycle %d: %s", cycle, diff)
				}
			}
		})
	}
}

// It is what many run as their engine's mirror.
func TestAMirrorThatNobodyHereWrote(t *testing.T) {
	t.Parallel()
	behind := registrytest.New(t, registrytest.Options{})
	image, index := must(behind.Push("library/web", "1")), must(behind.PushIndex("team/web", "1"))
	mirror := debian(t, t.TempDir(), "proxy: {remoteurl: \"http://"+behind.Host+"\"}\n")
	r := checker(t, "")
	r.Mirrors = []string{"http://" + mirror + "/"}
	r.Transport = &http.Transport{Proxy: nil, DialContext: only(mirror)}
	for q, want := range map[core.Query]string{query("docker.io/library/web:1"): image, query("docker.io/team/web:1"): index} {
		if got := one(t, r, q); got.Digest != want {
			t.Errorf("%s: got %+v, want %s", q.Reference.Repository, got, want)
		}
	}
}

func TestTokensThatNobodyHereReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	issuer := newIssuer(t)
	host := debian(t, dir, issuer.config(t, dir))
	image := must(random.Image(64, 1))
	var queries []core.Query
	for i := range 5 {
		text := fmt.Sprintf("%s/team/web%d:1", host, i)
		if err := remote.Write(must(name.NewTag(text)), image, remote.WithAuth(&authn.Basic{Username: "u", Password: password})); err != nil {
			t.Fatal(err)
		}
		queries = append(queries, query(text))
	}
	r := checker(t, loginFor(host, "u", password))
	for cycle, want := range []int64{5, 0} {
		before := issuer.issued.Load()
		if got := codes(r.Check(t.Context(), queries)); got[""] != 5 {
			t.Errorf("cycle %d: %v", cycle+1, got)
		}
		if n := issuer.issued.Load() - before; n != want {
			t.Errorf("cycle %d: %d tokens, want %d", cycle+1, n, want)
		}
	}
	if got := one(t, checker(t, ""), queries[0]); got.Fault.Code != core.Unauthorized {
		t.Errorf("without a login: got %+v", got)
	}
}
