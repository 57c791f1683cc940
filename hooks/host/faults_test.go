package host_test

import (
	"strings"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
)

func TestStartFaultsAreSentences(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		part, want string
		timeout    time.Duration
	}{
		"it dies":                              {"dies", "the plugin ended by itself (exit code 3): the vault cannot be opened[31m", 0},
		"it cannot serve":                      {"homeless", "the plugin ended by itself (exit code 0): plugin init error: no such file or directory", 0},
		"it prints something else":             {"garbage", `it does not speak as a hook does: it printed "Welcome to my plugin!" first`, 0},
		"it prints a line without an end":      {"endless", `it does not speak as a hook does: it printed "` + strings.Repeat("x", 77) + `…" first`, 0},
		"it is of tomorrow":                    {"tomorrow", "it speaks version 2 of the hook protocol, and Refit version 1", 0},
		"it speaks the old way":                {"plain", "it does not speak gRPC with a certificate of its own, as a hook does", 0},
		"it wants to be reached elsewhere":     {"elsewhere", "it wants to be reached elsewhere than on this machine", 0},
		"its certificate is none":              {"forged", "its certificate cannot be read", 0},
		"it says nothing":                      {"hangs", "the plugin took too long to start", 300 * time.Millisecond},
		"it takes connections, and no more":    {"silent", "the plugin took too long to start", 300 * time.Millisecond},
		"it does not say what it is":           {"slow-to-say", "the plugin took too long to start", 2 * time.Second},
		"it panics":                            {"panics", "the plugin ended by itself (exit code 2): panic: the roof is on fire", 0},
		"it takes part in nothing":             {"stageless", "it takes part in no stage", 0},
		"it takes part in what nobody knows":   {"strange-stage", "it takes part in stage 9, which this Refit does not know", 0},
		"it has two settings of one name":      {"twin-keys", "it has two settings named do", 0},
		"it has a setting that nobody can set": {"odd-key", `its setting "a b" has a name that none can have`, 0},
		"it has too many settings":             {"many-keys", "it has 1002 settings, which is more than 256", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, tt.part)
			if tt.timeout != 0 {
				h.StartTimeout = tt.timeout
			}
			got := h.Describe(t.Context(), []string{tt.part})[tt.part].Fault
			want := core.Reason{Code: core.HookUnusable, Text: "hook " + tt.part + " cannot be used: " + tt.want}
			if got != want {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestStartFaultsOfOthersAreShort(t *testing.T) {
	t.Parallel()
	for part, want := range map[string]string{
		"nobody": "cannot be reached", "mute": "cannot be reached", "huge": "it says more than 1024 KiB of itself", "shy": "it does not say what it is: no",
	} {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			got := newHost(t, part).Describe(t.Context(), []string{part})[part].Fault
			t.Log(got.Text)
			if got.Code != core.HookUnusable || !strings.Contains(got.Text, want) || strings.Contains(got.Text, "\n") || len(got.Text) > 300 {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestStageFaultsAreSentences(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ do, want string }{
		"it fails":                          {"fail", "the disk is full[0m " + strings.Repeat("!", 1000)},
		"it fails without a word":           {"mumble", "the plugin gave no reason"},
		"it crashes":                        {"crash", "the plugin ended by itself (exit code 7): out of luck"},
		"it exits":                          {"exit", "the plugin ended by itself (exit code 0)"},
		"it panics":                         {"panic", "the plugin ended by itself (exit code 2): panic: the roof is on fire"},
		"it hangs":                          {"hang", "the plugin said nothing for 300ms, and was ended"},
		"it is stopped":                     {"stop", "the plugin said nothing for 300ms, and was ended"},
		"it cuts the connection":            {"cut", "the plugin cut the connection, and was ended"},
		"it has too much state":             {"state", "the plugin's state has 65537 bytes, and may have 65536"},
		"it ends without a reply":           {"end", "the plugin ended without a reply"},
		"it replies twice":                  {"twice", "the plugin went on after its reply"},
		"its verdict is a riddle":           {"riddle", "the plugin's verdict is 7, which this Refit does not know"},
		"it defers until never":             {"defer-never", "the plugin defers until a time that there is not"},
		"it says something that is no text": {"garble", "the plugin said what nobody understands, and was ended"},
		"it says too much at once":          {"shout", "the plugin said more than 1024 KiB at once, and was ended"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, "actor")
			if strings.Contains(tt.want, "said nothing") {
				h.Stall = 300 * time.Millisecond
			}
			reply, err := h.Call(t.Context(), order(core.PreUpdate, tt.do))
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) || len(err.Error()) > 1100 {
				t.Errorf("got  %v, %v\nwant %v", reply, err, tt.want)
			}
			if got := call(t, h, order(core.PreUpdate, "settings")); got == "" {
				t.Error("the next call had no answer")
			}
		})
	}
}

func TestStageIsGivenUpAfterItsTime(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	h.Timeout, h.Stall = 400*time.Millisecond, patience
	_, err := h.Call(t.Context(), order(core.PreUpdate, "talk"))
	if want := "the plugin took longer than 400ms, and was ended"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %v", err, want)
	}
}

func TestPluginThatTalksIsNotStalled(t *testing.T) {
	t.Parallel()
	h := newHost(t, "actor")
	h.Stall = time.Second // it talks for longer
	call(t, h, order(core.PreUpdate, "talk"))
}
