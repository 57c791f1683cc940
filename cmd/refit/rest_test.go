package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/loop"
)

// TestRestGivesTheProgramsPagesBack runs while no other test does: each of them would
// bring some back.
func TestRestGivesTheProgramsPagesBack(t *testing.T) {
	before := ownPages(t)
	rest()
	after := ownPages(t)
	t.Logf("%d kB of the program's file before, %d kB after", before, after)
	if after > before*3/4 {
		t.Errorf("%d kB of the program's file are still in the process, of %d", after, before)
	}
}

// ownPages is how much of the program's own file is in the process, in kB.
func ownPages(t *testing.T) (kilobytes int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	own := false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		switch {
		case !strings.HasSuffix(fields[0], ":"):
			_, own = unwritten(line, self)
		case own && fields[0] == "Rss:":
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			kilobytes += n
		}
	}
	return kilobytes
}

func TestOnlyWhatIsInTheFileIsGivenBack(t *testing.T) {
	t.Parallel()
	const clean, dirty = "Rss: 8 kB\nAnonymous:             0 kB\nVmFlags: rd mr mw me\n", "Rss: 8 kB\nAnonymous:             4 kB\n"
	for name, tt := range map[string]struct {
		first, rest string
		want        bool
	}{
		"the program's code":                   {"00400000-00d97000 r-xp 00000000 fe:00 9978002      /usr/bin/refit", clean, true},
		"its constants":                        {"00d97000-0189a000 r--p 00997000 fe:00 9978002      /usr/bin/refit", clean, true},
		"not what a loader has written":        {"00d97000-0189a000 r--p 00997000 fe:00 9978002      /usr/bin/refit", dirty, false},
		"nor what a kernel says nothing about": {"00d97000-0189a000 r--p 00997000 fe:00 9978002      /usr/bin/refit", "Rss: 8 kB\n", false},
		"nor its variables":                    {"0189a000-01943000 rw-p 0149a000 fe:00 9978002      /usr/bin/refit", clean, false},
		"nor another file":                     {"00400000-00d97000 r-xp 00000000 fe:00 9978003      /usr/bin/refit-hook-x", clean, false},
		"nor memory":                           {"c000000000-c000400000 rw-p 00000000 00:00 0 ", clean, false},
		"nor a file that has been replaced":    {"00400000-00d97000 r-xp 00000000 fe:00 9978002      /usr/bin/refit.old (deleted)", clean, false},
		"nor what makes no sense":              {"refit", clean, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := "7f00-7f01 rw-p 00000000 00:00 0\n" + clean
			if got := pristine(before+tt.first+"\n"+tt.rest+before, "/usr/bin/refit"); len(got) > 0 != tt.want {
				t.Errorf("got %v, want some: %t", got, tt.want)
			}
		})
	}
}

// noEngine has no containers.
type noEngine struct{ loop.Engine }

func (noEngine) Containers(context.Context) ([]core.Container, error) { return nil, nil }

func TestARestFollowsTheLastLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, rested := time.Now(), []time.Duration{}
		idle := time.AfterFunc(calm, func() { rested = append(rested, time.Since(began)) })
		e := resting{noEngine{}, idle}
		for range 2 {
			for range 5 { // while it looks again and again it does not rest
				time.Sleep(calm - time.Second)
				if _, err := e.Containers(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Hour)
		}
		synctest.Wait()
		first := 5*(calm-time.Second) + calm
		want := []time.Duration{first, 5*(calm-time.Second) + time.Hour + first}
		if diff := cmp.Diff(want, rested); diff != "" {
			t.Errorf("rests (-want +got):\n%s", diff)
		}
	})
}
