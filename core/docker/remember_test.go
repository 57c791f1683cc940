package docker

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/refit-dev/refit/core"
)

// muteEngine answers as an engine with containerd's store does that has a container
// called web and lacks a layer of its image.
func muteEngine(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	container := `{"Id":"` + predecessorID + `","Name":"/web","Image":"sha256:abc","State":{"Status":"running"},` +
		`"Config":{"Image":"nginx:1","Env":["A=1","B=2"]},"HostConfig":{"NetworkMode":"none"},"NetworkSettings":{"Networks":{}},` +
		`"ImageManifestDescriptor":{"digest":"sha256:def"}}`
	path := r.URL.Path
	switch {
	case strings.HasSuffix(path, "/version"):
		fmt.Fprint(w, `{"Version":"28.5.2","ApiVersion":"1.51","MinAPIVersion":"1.24","Os":"linux","Arch":"amd64"}`)
	case strings.HasSuffix(path, "/containers/json"):
		fmt.Fprint(w, `[{"Id":"`+predecessorID+`"}]`)
	case strings.HasSuffix(path, "/containers/"+predecessorID+"/json"):
		fmt.Fprint(w, container)
	case strings.HasSuffix(path, "/images/sha256:abc/json"):
		fmt.Fprint(w, `{"Id":"sha256:abc","RepoTags":["nginx:1"],"Os":"","Architecture":"","RootFS":{},"Config":{"Cmd":null,"Env":null,"Labels":null}}`)
	default:
		fmt.Fprint(w, "[]")
	}
}

// toMute is a client of such an engine.
func toMute(t *testing.T) *Client {
	t.Helper()
	engine := httptest.NewServer(http.HandlerFunc(muteEngine))
	t.Cleanup(engine.Close)
	c, err := New(Options{Host: "tcp://" + engine.Listener.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAnImageOfWhichTheEngineLacksAPartCountsAsGone(t *testing.T) {
	t.Parallel()
	c := toMute(t)
	if d, err := c.Defaults(t.Context(), "sha256:abc"); err != nil || d.Known() {
		t.Errorf("it says %s, %v", d.Config, err)
	}
	all, err := c.Containers(t.Context())
	if err != nil || len(all) != 1 || !all[0].ImageGone || all[0].Image.Digest != "sha256:abc" {
		t.Errorf("the census has %+v, %v", all, err)
	}
	if _, err := c.Snapshot(t.Context(), predecessorID, core.Defaults{}); err == nil {
		t.Error("a snapshot, and nobody knows what the image says")
	}
}

func TestWhatIsRememberedOfAnImageIsTakenWhereTheEngineCannotTell(t *testing.T) {
	t.Parallel()
	c := toMute(t)
	s, err := c.Snapshot(t.Context(), predecessorID, core.Defaults{Config: []byte(`{"Env":["A=1"]}`)})
	if err != nil {
		t.Fatal(err)
	}
	f, err := readFacts(s)
	if err != nil {
		t.Fatal(err)
	}
	body := asJSON(t, f.body(core.Draft{Reference: "nginx:1"}, "sha256:new", "1.51"))
	if !strings.Contains(body, `"Env":["B=2"]`) {
		t.Errorf("the successor is made with %s", body)
	}
	for what, d := range map[string]core.Draft{
		"as it is":                       {From: s},
		"beside what another image says": {From: s, Says: core.Defaults{Config: []byte(`{"Env":["A=2"]}`)}},
	} {
		if lines, err := c.Differences(t.Context(), d, predecessorID); err != nil || len(lines) > 0 {
			t.Errorf("the container, %s, differs from itself in %q, %v", what, lines, err)
		}
	}
}

func TestWhatANewImageSaysIsTakenWhereTheEngineCannotTell(t *testing.T) {
	t.Parallel()
	c := toMute(t)
	was := known(t, `{"Image":"nginx:1","Env":["OLD=1","B=2"]}`, `{"NetworkMode":"none"}`, "", `{"Env":["OLD=1"]}`)
	was.Image["Id"] = "sha256:old"
	d := core.Draft{From: core.Snapshot(asJSON(t, was))}
	if lines, err := c.Differences(t.Context(), d, predecessorID); err == nil {
		t.Errorf("it was compared without what its image says: %q", lines)
	}
	d.Says = core.Defaults{Config: []byte(`{"Env":["A=1"]}`)}
	if lines, err := c.Differences(t.Context(), d, predecessorID); err != nil || len(lines) > 0 {
		t.Errorf("differences %q, %v", lines, err)
	}
}
