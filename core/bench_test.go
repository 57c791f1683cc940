package core_test

import (
	"fmt"
	"testing"

	"github.com/refit-dev/refit/core"
)

// crowd is a host of 1,000 containers of 200 images, in projects of ten where each
// depends on the one before.
func crowd() core.World {
	w := core.World{Settings: settings()}
	for n := range 1000 {
		c := container(fmt.Sprintf("c%03d", n))
		name := fmt.Sprintf("app%d", n%200)
		c.Image = core.Image{Reference: core.Reference{Text: name + ":1", Repository: "docker.io/library/" + name, Tag: "1"}, ID: "sha256:old"}
		c.RepoDigests = []core.Reference{{Repository: c.Image.Reference.Repository, Digest: oldDigest}}
		c.Labels = map[string]string{
			"refit.enable": "true", "refit.schedule": fmt.Sprintf("%d %d * * *", n%60, n%24), "refit.stop-timeout": "30s",
			"com.docker.compose.project": fmt.Sprintf("p%d", n/10), "com.docker.compose.service": fmt.Sprintf("s%d", n%10),
			"org.opencontainers.image.version": "1.2.3", "maintainer": "somebody",
		}
		if n%10 > 0 {
			c.DependsOn = []string{fmt.Sprintf("c%03d", n-1)}
		}
		w.Containers = append(w.Containers, c)
	}
	return w
}

func BenchmarkPolicyOf(b *testing.B) {
	w := crowd()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, bad, ok := w.Settings.PolicyOf(w.Containers[n%1000]); !ok {
			b.Fatal(bad)
		}
	}
}

// BenchmarkPoliciesOf is the same where the labels were read before.
func BenchmarkPoliciesOf(b *testing.B) {
	w := crowd()
	policies := w.Settings.Policies()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if _, bad, ok := policies.Of(w.Containers[n%1000]); !ok {
			b.Fatal(bad)
		}
	}
}

// BenchmarkMakePlan decides about 1,000 containers: all up to date, or one with a new
// image; with labels that are read for the first time, or were before.
func BenchmarkMakePlan(b *testing.B) {
	for _, news := range []int{0, 1, 1000} {
		for _, known := range []bool{false, true} {
			b.Run(fmt.Sprintf("new=%d/known=%t", news, known), func(b *testing.B) {
				w := crowd()
				answers := map[core.Query]core.Answer{}
				for _, q := range w.Queries() {
					answers[q] = core.Answer{Digest: oldDigest}
					if news == 1000 || news == 1 && q.Reference.Text == "app7:1" {
						answers[q] = core.Answer{Digest: newDigest}
					}
				}
				if known {
					w.Policies = w.Settings.Policies()
					core.MakePlan(w, answers)
				}
				b.ReportAllocs()
				for b.Loop() {
					if steps := core.MakePlan(w, answers).Steps; len(steps) != 1000 {
						b.Fatalf("%d steps", len(steps))
					}
				}
			})
		}
	}
}
