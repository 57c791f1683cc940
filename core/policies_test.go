package core_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
)

// counting counts how often a schedule is checked: once for each reading of its label.
func counting(read *int) core.Settings {
	s := settings()
	check := s.CheckSchedule
	s.CheckSchedule = func(text string) error {
		*read++
		return check(text)
	}
	return s
}

func TestLabelsAreReadOnce(t *testing.T) {
	t.Parallel()
	read := 0
	w := core.World{Settings: counting(&read)}
	for n := range 10 {
		c := container(fmt.Sprintf("c%d", n))
		c.Labels["refit.schedule"] = "0 4 * * *"
		w.Containers = append(w.Containers, c)
	}
	want := core.MakePlan(w, nil)
	read = 0
	w.Policies = w.Settings.Policies()
	for range 3 {
		w.Queries()
		w.HookNames()
		if diff := cmp.Diff(want, core.MakePlan(w, nil)); diff != "" {
			t.Fatalf("with what is remembered the plan is another one (-want +got):\n%s", diff)
		}
	}
	if read != 10 {
		t.Errorf("10 labels were read %d times, want each once", read)
	}
	w.Policies.Keep(w.Containers[:4])
	for _, c := range w.Containers {
		w.Policies.Of(c)
	}
	if read != 16 {
		t.Errorf("of 10 containers 6 were forgotten, and %d read again", read-10)
	}
}

func TestLabelsAreReadAnewWhereTheirMeaningIsAnother(t *testing.T) {
	t.Parallel()
	p := settings().Policies()
	c := container("web")
	c.ImageLabels = map[string]string{"refit.enable": "true"}
	if got, _, _ := p.Of(c); got.Enabled {
		t.Error("a label of the image was obeyed")
	}
	c.ImageGone, c.ImageLabels = true, nil
	if got, _, _ := p.Of(c); !got.Enabled {
		t.Error("the image is gone, and what was known of its labels is remembered")
	}
	c.ID = "id-another"
	c.Labels = map[string]string{"refit.enable": "maybe"}
	if _, bad, ok := p.Of(c); ok || bad.Code != core.BadLabel {
		t.Errorf("another container with a bad label: %v, %t", bad, ok)
	}
	if _, _, ok := p.Of(c); ok {
		t.Error("asked again, the label is good")
	}
	for _, label := range []string{"true", "false"} { // without an id nothing can be remembered
		if got, _, _ := p.Of(core.Container{Labels: map[string]string{"refit.enable": label}}); got.Enabled != (label == "true") {
			t.Errorf("refit.enable=%s is read as %t", label, got.Enabled)
		}
	}
}
