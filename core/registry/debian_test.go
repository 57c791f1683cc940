package registry_test

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
)

// secretHash is the password "secret" as htpasswd -B writes it.
const secretHash = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"

// debian starts Debian's docker-registry, which nobody here wrote, with the user
// "u" and the password "secret". It returns its address.
func debian(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed: apt-get install docker-registry")
	}
	dir := t.TempDir()
	config, users := filepath.Join(dir, "config.yml"), filepath.Join(dir, "htpasswd")
	text := "version: 0.1\nlog: {level: info}\nstorage: {inmemory: {}}\nhttp: {addr: \"127.0.0.1:0\"}\n" +
		fmt.Sprintf("auth: {htpasswd: {realm: test, path: %q}}\n", users)
	for path, content := range map[string]string{config: text, users: "u:" + secretHash + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "serve", config)
	output, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	// Its log is read to the end: it would stand still once the pipe is full.
	listening, ended := make(chan string, 1), make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			if m := listens.FindStringSubmatch(lines.Text()); m != nil {
				listening <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		<-ended // t.Context has ended by now, which killed it
		_ = cmd.Wait()
	})
	select {
	case host := <-listening:
		return host
	case <-ended:
		t.Fatal("docker-registry ended before it listened")
		return ""
	}
}

var listens = regexp.MustCompile(`listening on (127\.0\.0\.1:[0-9]+)`)

func TestARegistryThatNobodyHereWrote(t *testing.T) {
	t.Parallel()
	host := debian(t)
	auth := remote.WithAuth(&authn.Basic{Username: "u", Password: "secret"})
	image, index := must(random.Image(64, 1)), must(random.Index(64, 1, 2))
	if err := remote.Write(must(name.NewTag(host+"/team/web:1")), image, auth); err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(must(name.NewTag(host+"/team/index:1")), index, auth); err != nil {
		t.Fatal(err)
	}
	queries := []core.Query{query(host + "/team/web:1"), query(host + "/team/index:1"), query(host + "/team/web:2"), query(host + "/none:1")}
	tests := map[string]struct {
		config string
		want   []string // a digest or a reason's code, for each query
	}{
		"with a login": {loginFor(host, "u", "secret"), []string{
			must(image.Digest()).String(), must(index.Digest()).String(), string(core.NotFound), string(core.NotFound),
		}},
		"with a wrong login": {loginFor(host, "u", password), []string{"unauthorized", "unauthorized", "unauthorized", "unauthorized"}},
		"without a login":    {"", []string{"unauthorized", "unauthorized", "unauthorized", "unauthorized"}},
	}
	for name, test := range tests {
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
