package registry_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/registry/registrytest"
)

// cost is what one Check asked a registry for.
type cost struct{ Pings, Tokens, Heads, Gets int }

func costOf(reg *registrytest.Registry) cost {
	c := cost{
		reg.Count("", registrytest.Ping), reg.Count("", registrytest.Token),
		reg.Count(head, manifests), reg.Count(get, manifests),
	}
	if n := c.Pings + c.Tokens + c.Heads + c.Gets; n != len(reg.Requests()) {
		panic(fmt.Sprintf("%d requests of other kinds", len(reg.Requests())-n))
	}
	return c
}

func TestWhatCyclesCost(t *testing.T) {
	t.Parallel()
	for _, bearer := range []bool{false, true} {
		for _, n := range []int{1, 50, 200} {
			for _, images := range []int{1, n} {
				t.Run(fmt.Sprintf("%d containers of %d images, with tokens: %v", n, images, bearer), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						reg, r := apart(t, registrytest.Options{Bearer: bearer, User: "u", Password: password, TokenLife: 5 * time.Minute})
						pushed := many(reg, images)
						var queries []core.Query
						for i := range n { // each container has words of its own for its image
							q := pushed[i%images]
							q.Reference.Text = fmt.Sprintf("the image of container %d", i)
							queries = append(queries, q)
						}
						first, token := cost{Pings: 1, Heads: images}, 0
						if bearer {
							first.Tokens, token = images, images
						}
						for _, cycle := range []struct {
							name string
							want cost
							then time.Duration
						}{
							{"first", first, time.Minute},
							{"second", cost{Heads: images}, 10 * time.Minute},
							{"third, when tokens have expired", cost{Tokens: token, Heads: images}, 0},
						} {
							reg.Reset()
							if got := codes(r.Check(t.Context(), queries)); got[""] != n {
								t.Fatalf("%s cycle: %v", cycle.name, got)
							}
							if diff := cmp.Diff(cycle.want, costOf(reg)); diff != "" {
								t.Errorf("%s cycle: %s", cycle.name, diff)
							}
							time.Sleep(cycle.then)
						}
					})
				})
			}
		}
	}
}

func TestWhatIsRefusedCostsLittleInEachCycle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{Bearer: true})
		queries := many(reg, 10)
		reg.Misbehave(func(w http.ResponseWriter, q *http.Request) bool {
			if !strings.Contains(q.URL.Path, "/web0/manifests") {
				return false
			}
			w.Header().Set("WWW-Authenticate", `Bearer realm="https://registry.test/token",service="x",scope="repository:web0:pull",error="insufficient_scope"`)
			return registrytest.Status(401)(w, q)
		})
		r.Check(t.Context(), queries)
		for range 2 {
			reg.Reset()
			if got := r.Check(t.Context(), queries)[queries[0]].Fault.Code; got != core.Unauthorized {
				t.Errorf("got %s", got)
			}
			if diff := cmp.Diff(cost{Pings: 1, Tokens: 1, Heads: 10}, costOf(reg)); diff != "" {
				t.Error(diff)
			}
		}
	})
}

func TestTheTagsOfOneRepositoryShareAToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{Bearer: true})
		var queries []core.Query
		for i := range 30 {
			must(reg.Push("team/web", fmt.Sprint(i)))
			queries = append(queries, query(fmt.Sprintf("registry.test/team/web:%d", i)))
		}
		r.Check(t.Context(), queries)
		if diff := cmp.Diff(cost{Pings: 1, Tokens: 1, Heads: 30}, costOf(reg)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestATokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{Bearer: true, TokenLife: time.Minute})
		queries := many(reg, 1)
		for range 100 {
			one(t, r, queries[0])
			time.Sleep(7 * time.Second)
		}
		if n := reg.Count(head, manifests); n != 100 {
			t.Errorf("%d HEADs for 100 checks: some came with a token that had expired", n)
		}
		if n := reg.Count("", registrytest.Token); n > 13 {
			t.Errorf("%d tokens of a minute for 700 seconds", n)
		}
	})
}

func TestConnectionsAreKept(t *testing.T) {
	t.Parallel()
	for name, options := range map[string]registrytest.Options{
		"plain": {Bearer: true}, "with TLS": {Bearer: true, TLS: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg := registrytest.New(t, options)
			r := checker(t, "")
			r.Transport, r.Parallel = nil, 5 // as it is used
			var queries []core.Query
			for i := range 50 {
				must(reg.Push(fmt.Sprintf("web%d", i), "1"))
				queries = append(queries, query(fmt.Sprintf("%s/web%d:1", reg.Host, i)))
			}
			r.Check(t.Context(), queries)
			// Whether a registry on the loopback speaks TLS is found out by one more.
			if n := reg.Connections(); n > 5+1 {
				t.Errorf("%d connections for 5 at a time", n)
			}
			reg.Reset()
			r.Check(t.Context(), queries)
			if n := reg.Connections(); n != 0 {
				t.Errorf("%d connections in the second cycle, want none", n)
			}
		})
	}
}

func TestARegistryThatDoesNotDoHeadIsRemembered(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]registrytest.Trouble{
		"404":       registrytest.Status(404),
		"405":       registrytest.Status(405),
		"no digest": headers(map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg, r := apart(t, registrytest.Options{})
				queries := many(reg, 50)
				reg.Misbehave(registrytest.On(head, manifests, trouble))
				want := cost{Pings: 1, Heads: 50, Gets: 50}
				for cycle := range 3 {
					reg.Reset()
					if got := codes(r.Check(t.Context(), queries)); got[""] != 50 {
						t.Fatalf("cycle %d: %v", cycle, got)
					}
					got := costOf(reg)
					if cycle == 0 && got.Heads <= 20+1 { // all that were under way when a second repository did not
						got.Heads = 50
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("cycle %d: %s", cycle, diff)
					}
					want = cost{Gets: 50}
				}
				// It may have been replaced by a better one.
				time.Sleep(24 * time.Hour)
				reg.Misbehave(nil)
				reg.Reset()
				r.Check(t.Context(), queries)
				if diff := cmp.Diff(cost{Heads: 50}, costOf(reg)); diff != "" {
					t.Errorf("a day later: %s", diff)
				}
			})
		})
	}
}

func TestWhereHeadWorksOneOddAnswerDoesNotEndIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		queries := many(reg, 10)
		r.Check(t.Context(), queries)
		// The tag was pushed between the HEAD and the GET.
		reg.Misbehave(registrytest.On(head, manifests, reg.Times(1, registrytest.Status(404))))
		r.Check(t.Context(), queries)
		reg.Reset()
		r.Check(t.Context(), queries)
		if diff := cmp.Diff(cost{Heads: 10}, costOf(reg)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestARepositoryThatDoesNotDoHeadIsNotTheWholeRegistry(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]registrytest.Trouble{
		"404": registrytest.Status(404), "405": registrytest.Status(405),
		"no digest": headers(map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, ""),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				reg, r := apart(t, registrytest.Options{})
				queries := many(reg, 10)
				reg.Misbehave(registrytest.On(head, manifests, func(w http.ResponseWriter, q *http.Request) bool {
					return strings.Contains(q.URL.Path, "/web0/") && trouble(w, q)
				}))
				one(t, r, queries[0]) // it is the first to be due
				for range 2 {
					reg.Reset()
					if got := codes(r.Check(t.Context(), queries)); got[""] != 10 {
						t.Errorf("got %v", got)
					}
					if diff := cmp.Diff(cost{Heads: 9, Gets: 1}, costOf(reg)); diff != "" {
						t.Error(diff)
					}
				}
			})
		})
	}
}

func TestWhatIsNotThereIsNoReasonToGiveUpHead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		queries := append(many(reg, 1), query("registry.test/none:1"))
		r.Parallel = 1
		for range 2 {
			reg.Reset()
			got := r.Check(t.Context(), queries)
			if got[queries[0]].Digest == "" || got[queries[1]].Fault.Code != core.NotFound {
				t.Errorf("got %v", got)
			}
			if n := reg.Count(head, manifests); n != 2 {
				t.Errorf("%d HEADs, want 2", n)
			}
		}
	})
}

func TestEveryFormatOfManifestHasItsDigest(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]registrytest.Format{
		"Docker's image": registrytest.DockerImage, "Docker's list": registrytest.DockerIndex,
		"an OCI image": registrytest.OCIImage, "an OCI index": registrytest.OCIIndex,
	} {
		for way, trouble := range map[string]registrytest.Trouble{"by HEAD": nil, "by GET": registrytest.Status(405)} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					reg, r := apart(t, registrytest.Options{})
					want := must(reg.PushAs("web", "1", format, registrytest.Image{Platform: v1.Platform{OS: "linux", Architecture: "amd64"}}))
					reg.Misbehave(registrytest.On(head, manifests, func(w http.ResponseWriter, q *http.Request) bool {
						return trouble != nil && trouble(w, q)
					}))
					if got := one(t, r, query("registry.test/web:1")); got != (core.Answer{Digest: want}) {
						t.Errorf("got %+v, want %s", got, want)
					}
				})
			})
		}
	}
}

func TestALieThatCanBeSeenIsNoDigest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		reg, r := apart(t, registrytest.Options{})
		must(reg.Push("web", "1"))
		reg.Lie("web", "1", someDigest)
		reg.Misbehave(registrytest.On(head, manifests, registrytest.Status(405)))
		want := core.Reason{Code: core.RegistryError, Text: "registry.test answers with a manifest that does not have the digest it says"}
		if got := one(t, r, query("registry.test/web:1")); got.Fault != want {
			t.Errorf("got %+v, want %v", got, want)
		}
	})
}
