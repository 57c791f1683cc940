package registry_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry"
	"github.com/refit-dev/refit/core/registry/registrytest"
	"github.com/refit-dev/refit/core/update"
)

var (
	_ update.Checker = (*registry.Registry)(nil)
	_ update.Reader  = (*registry.Registry)(nil)
)

// password is planted wherever a secret goes, and looked for in every sentence.
const password = "hunter2-do-not-tell"

// query asks for a reference as the engine's adapter would: "127.0.0.1:5000/web:1".
func query(text string) core.Query {
	ref := core.Reference{Text: text, Repository: text, Tag: "latest"}
	if i := strings.LastIndex(text, ":"); i > strings.LastIndex(text, "/") {
		ref.Repository, ref.Tag = text[:i], text[i+1:]
	}
	return core.Query{Reference: ref}
}

// checker is a Registry that knows of no logins but those in config, and of no proxy.
func checker(t testing.TB, config string) *registry.Registry {
	t.Helper()
	r := &registry.Registry{ConfigDir: configDir(t, config), Transport: &http.Transport{}, Timeout: time.Minute}
	t.Cleanup(r.Close)
	return r
}

// configDir makes a directory with that config.json, without one where it is "".
func configDir(t testing.TB, config string) string {
	t.Helper()
	dir := t.TempDir()
	if config == "" {
		return dir
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// loginFor is a config.json with a login for one host.
func loginFor(host, user, password string) string {
	return fmt.Sprintf(`{"auths": {%q: {"auth": %q}}}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
}

// one asks one query and returns its answer.
func one(t testing.TB, r *registry.Registry, q core.Query) core.Answer {
	t.Helper()
	answers := r.Check(t.Context(), []core.Query{q})
	answer, ok := answers[q]
	if !ok {
		t.Fatalf("no answer to %v", q)
	}
	discreet(t, answer)
	return answer
}

// discreet fails the test where a sentence gives something away.
func discreet(t testing.TB, a core.Answer) {
	t.Helper()
	for _, secret := range []string{password, base64.StdEncoding.EncodeToString([]byte("u:" + password)), "token-", "?"} {
		if strings.Contains(a.Fault.Text, secret) {
			t.Errorf("the reason shows %q: %s", secret, a.Fault.Text)
		}
	}
	if strings.ContainsAny(a.Fault.Text, "\n\r") {
		t.Errorf("the reason has several lines: %q", a.Fault.Text)
	}
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func TestADigestIsWhatTheTagStandsForNow(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	r := checker(t, "")
	q := query(reg.Host + "/team/web:1")

	first := must(reg.Push("team/web", "1"))
	if got := one(t, r, q); got != (core.Answer{Digest: first}) {
		t.Errorf("got %+v, want digest %s", got, first)
	}
	second := must(reg.Push("team/web", "1"))
	if got := one(t, r, q); got != (core.Answer{Digest: second}) || first == second {
		t.Errorf("after the tag has moved: got %+v, want digest %s", got, second)
	}
	if err := reg.Move("team/web", "1", first); err != nil {
		t.Fatal(err)
	}
	if got := one(t, r, q); got != (core.Answer{Digest: first}) {
		t.Errorf("after the tag has moved back: got %+v, want digest %s", got, first)
	}
}

func TestTheDigestOfAnIndexIsTheIndexsOwn(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	want := must(reg.PushIndex("web", "1"))
	here, arm := query(reg.Host+"/web:1"), query(reg.Host+"/web:1")
	arm.Platform = core.Platform{OS: "linux", Architecture: "arm64"}

	got := checker(t, "").Check(t.Context(), []core.Query{here, arm})

	if diff := cmp.Diff(map[core.Query]core.Answer{here: {Digest: want}, arm: {Digest: want}}, got); diff != "" {
		t.Error(diff)
	}
	if n := reg.Count(http.MethodHead, registrytest.Manifests); n != 1 {
		t.Errorf("%d HEADs for one reference on two platforms, want 1", n)
	}
}

func TestADigestThatIsPinnedIsLookedUpToo(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	want := must(reg.Push("web", "1"))
	q := core.Query{Reference: core.Reference{Text: "web", Repository: reg.Host + "/web", Tag: "1", Digest: want}}
	if got := one(t, checker(t, ""), q); got.Digest != want {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestQueriesThatNoRegistryCanAnswerGetAFaultAtOnce(t *testing.T) {
	t.Parallel()
	local := query("docker.io/library/web:1")
	local.Local = true
	odd, empty := query("docker.io/library/NOT VALID:1"), core.Query{}

	got := checker(t, "").Check(t.Context(), []core.Query{local, odd, empty})

	want := map[core.Query]core.Code{local: core.Unsupported, odd: core.BadReference, empty: core.BadReference}
	for q, code := range want {
		if got[q].Fault.Code != code || got[q].Fault.Text == "" {
			t.Errorf("%v: got %+v, want %s with a text", q, got[q], code)
		}
	}
}

func TestEachDistinctReferenceCostsOneRequestOnceTheRegistryIsKnown(t *testing.T) {
	t.Parallel()
	tests := map[string]registrytest.Options{
		"an open registry":                  {},
		"a registry with basic login":       {User: "u", Password: password},
		"a registry with tokens":            {User: "u", Password: password, Bearer: true},
		"a registry with anonymous tokens":  {Bearer: true},
		"a registry with TLS and basic too": {User: "u", Password: password, TLS: true},
	}
	for name, options := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, options)
			r := checker(t, loginFor(reg.Host, "u", password))
			var queries []core.Query
			for i := range 5 {
				must(reg.Push(fmt.Sprintf("web%d", i), "1"))
				q := query(fmt.Sprintf("%s/web%d:1", reg.Host, i))
				same := q
				same.Reference.Text = "the same by another text"
				queries = append(queries, q, same)
			}
			for cycle := 1; cycle <= 2; cycle++ {
				reg.Reset()
				for q, a := range r.Check(t.Context(), queries) {
					if a.Digest == "" {
						t.Errorf("cycle %d: %s: %v", cycle, q.Reference.Repository, a.Fault)
					}
				}
				if n := reg.Count(http.MethodHead, registrytest.Manifests); n != 5 {
					t.Errorf("cycle %d: %d HEADs, want 5", cycle, n)
				}
				if n := len(reg.Requests()); cycle == 2 && n != 5 {
					t.Errorf("second cycle: %d requests in all, want 5: %v", n, reg.Requests())
				}
			}
			if agent := reg.Requests()[0].UserAgent; !strings.HasPrefix(agent, "refit ") {
				t.Errorf("user agent %q does not begin with refit", agent)
			}
		})
	}
}

func TestATokenThatHasExpiredIsReplaced(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{User: "u", Password: password, Bearer: true})
	want := must(reg.Push("web", "1"))
	r, q := checker(t, loginFor(reg.Host, "u", password)), query(reg.Host+"/web:1")
	one(t, r, q)
	reg.RevokeTokens()
	if got := one(t, r, q); got.Digest != want {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestAChangedConfigIsUsedInTheNextCheck(t *testing.T) {
	t.Parallel()
	for name, bearer := range map[string]bool{"with basic login": false, "with tokens": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, registrytest.Options{User: "u", Password: "old", Bearer: bearer})
			want := must(reg.Push("web", "1"))
			r, q := checker(t, loginFor(reg.Host, "u", "old")), query(reg.Host+"/web:1")
			one(t, r, q)

			reg.Demand(registrytest.Options{User: "u", Password: password, Bearer: bearer})
			reg.RevokeTokens()
			if got := one(t, r, q); got.Fault.Code != core.Unauthorized {
				t.Errorf("with the old password: got %+v, want unauthorized", got)
			}
			r.ConfigDir = configDir(t, loginFor(reg.Host, "u", password))
			if got := one(t, r, q); got.Digest != want {
				t.Errorf("with the new password: got %+v, want %s", got, want)
			}
		})
	}
}

func TestARegistryThatChangesItsWayOfLoggingInIsLearnedAnew(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	want := must(reg.Push("web", "1"))
	r, q := checker(t, loginFor(reg.Host, "u", password)), query(reg.Host+"/web:1")
	one(t, r, q)
	reg.Demand(registrytest.Options{User: "u", Password: password, Bearer: true})
	one(t, r, q) // is refused, and says so
	if got := one(t, r, q); got.Digest != want {
		t.Errorf("got %+v, want %s", got, want)
	}
}

func TestAtMostSoManyRequestsOfAHostAreUnderWay(t *testing.T) {
	t.Parallel()
	for parallel, want := range map[int]int{0: 20, 1: 1, 3: 3} {
		synctest.Test(t, func(t *testing.T) {
			reg, r := apart(t, registrytest.Options{})
			r.Parallel = parallel
			queries := many(reg, 60)
			reg.Misbehave(registrytest.On(head, manifests, registrytest.Delay(time.Second)))
			begun := time.Now()
			if got := codes(r.Check(t.Context(), queries)); got[""] != 60 {
				t.Errorf("got %v", got)
			}
			if got := reg.Busiest(); got != want {
				t.Errorf("%d requests at the same time, want %d", got, want)
			}
			if took := time.Since(begun); took != time.Duration(60/want)*time.Second {
				t.Errorf("60 requests of a second took %s, %d at a time", took, want)
			}
		})
	}
}

func TestAHostThatHangsDelaysNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hangs, works := registrytest.Handler(registrytest.Options{}), registrytest.Handler(registrytest.Options{})
		hangs.Misbehave(hangs.Hang)
		want := must(works.Push("web", "1"))
		good := query("works.test/web:1")
		queries := []core.Query{good}
		for i := range 100 {
			queries = append(queries, query(fmt.Sprintf("hangs.test/web%d:1", i)))
		}
		r := &registry.Registry{ConfigDir: configDir(t, ""), Transport: places{"hangs.test": hangs, "works.test": works}, Parallel: 5}

		begun := time.Now()
		answers := r.Check(t.Context(), queries)

		if answers[good].Digest != want {
			t.Errorf("the host that works: got %+v, want %s", answers[good], want)
		}
		for _, q := range queries[1:] {
			text := "hangs.test does not answer (nothing within 10s)"
			if a := answers[q]; a.Fault != (core.Reason{Code: core.RegistryUnreachable, Text: text}) {
				t.Fatalf("the host that hangs: got %+v, want %q", a, text)
			}
		}
		// 100 references, five at a time: were each to wait for itself, it would take 200 s.
		if took := time.Since(begun); took != 10*time.Second {
			t.Errorf("it took %s, want the timeout", took)
		}
	})
}

func TestAHostThatHangsForOneReferenceAnswersTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		reg.Misbehave(func(w http.ResponseWriter, q *http.Request) bool {
			if strings.Contains(q.URL.Path, "/stuck/") {
				return reg.Hang(w, q)
			}
			return registrytest.Delay(50*time.Millisecond)(w, q)
		})
		r.Timeout, r.Parallel = time.Second, 2
		stuck := query("registry.test/stuck:1")
		others := many(reg, 30)
		answers := r.Check(t.Context(), append([]core.Query{stuck}, others...))
		for _, q := range others {
			if answers[q].Digest == "" {
				t.Errorf("%s: %v", q.Reference.Repository, answers[q].Fault)
			}
		}
		if got := answers[stuck].Fault.Code; got != core.RegistryUnreachable {
			t.Errorf("the one that hangs: got %q", got)
		}
	})
}

func TestACheckThatIsStoppedAnswersEveryQuery(t *testing.T) {
	t.Parallel()
	reg := registrytest.New(t, registrytest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	reg.Misbehave(func(w http.ResponseWriter, q *http.Request) bool {
		cancel()
		return reg.Hang(w, q)
	})
	queries := []core.Query{query(reg.Host + "/a:1"), query(reg.Host + "/b:1")}
	answers := checker(t, "").Check(ctx, queries)
	for _, q := range queries {
		if got := answers[q].Fault; got.Code != core.Cancelled {
			t.Errorf("got %v, want cancelled", got)
		}
	}
}

// dialTo is a transport that reaches one address by whatever name.
func dialTo(addr string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
}
