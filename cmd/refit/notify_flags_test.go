package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/ledger"
	"github.com/refit-dev/refit/notify"
)

func TestChannelsComeFromFlagsAndVariables(t *testing.T) {
	t.Parallel()
	hook := func(name string, level notify.Level) notify.Channel {
		return notify.Channel{Name: name, URL: "generic+http://h/" + name + "?to=a,b", Level: level}
	}
	flag := func(name string) string { return name + "=" + hook(name, "").URL }
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		want []notify.Channel
	}{
		"none": {want: []notify.Channel{}},
		"by flags, with commas": {
			args: []string{"--notify", flag("ops"), "--notify", flag("dev")},
			want: []notify.Channel{hook("ops", notify.Changes), hook("dev", notify.Changes)},
		},
		"by lines of a variable": {
			env:  map[string]string{"REFIT_NOTIFY": "# ours\n" + flag("ops") + "\n\n " + flag("dev") + "\n"},
			want: []notify.Channel{hook("ops", notify.Changes), hook("dev", notify.Changes)},
		},
		"a flag beats the variable": {
			args: []string{"--notify", flag("dev")},
			env:  map[string]string{"REFIT_NOTIFY": flag("ops")},
			want: []notify.Channel{hook("dev", notify.Changes)},
		},
		"one level for all": {
			args: []string{"--notify", flag("ops"), "--notify", flag("dev"), "--notify-level", "problems"},
			want: []notify.Channel{hook("ops", notify.Problems), hook("dev", notify.Problems)},
		},
		"a level for one, and one for the others, by a variable": {
			args: []string{"--notify", flag("ops"), "--notify", flag("dev")},
			env:  map[string]string{"REFIT_NOTIFY_LEVEL": "ops=all,problems"},
			want: []notify.Channel{hook("ops", notify.All), hook("dev", notify.Problems)},
		},
		"by Watchtower's variables": {
			env: map[string]string{
				"WATCHTOWER_NOTIFICATION_URL": hook("", "").URL + " " + hook("", "").URL, "WATCHTOWER_NOTIFICATIONS_LEVEL": "warn",
			},
			want: []notify.Channel{
				{Name: "generic", URL: hook("", "").URL, Level: notify.Problems}, {Name: "generic-2", URL: hook("", "").URL, Level: notify.Problems},
			},
		},
		"our variable beats Watchtower's": {
			env:  map[string]string{"WATCHTOWER_NOTIFICATION_URL": hook("", "").URL, "REFIT_NOTIFY": flag("ops")},
			want: []notify.Channel{hook("ops", notify.Changes)},
		},
		"after a command": {
			args: []string{"check", "--notify", flag("ops"), "web"},
			want: []notify.Channel{hook("ops", notify.Changes)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := configure(tt.args, tt.env)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, c.notify.channels); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestABadChannelIsRefusedWithoutShowingIt has "precious" wherever a credential may be.
func TestABadChannelIsRefusedWithoutShowingIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		env  map[string]string
		want string
	}{
		"no URL":                 {args: []string{"--notify", "precious"}, want: "--notify: "},
		"a name that is none":    {args: []string{"--notify", "pre cious=slack://precious"}, want: "--notify: a channel's name is of letters"},
		"a service that is none": {args: []string{"--notify", "ops=slak://precious"}, want: "--notify: channel ops: unknown service: slak: did you mean slack?"},
		"a URL that is too short": {
			env: map[string]string{"REFIT_NOTIFY": "ops=slack://precious"}, want: "REFIT_NOTIFY: channel ops: slack: ",
		},
		"Watchtower's, which is none": {
			env:  map[string]string{"WATCHTOWER_NOTIFICATION_URL": "slack://precious"},
			want: "Watchtower's variables: WATCHTOWER_NOTIFICATION_URL: channel without a name: slack: ",
		},
		"two of one name": {
			args: []string{"--notify", "ops=generic+http://precious", "--notify", "ops=generic+http://precious"},
			want: "--notify: channel ops: there are two of this name",
		},
		"a URL as a level":        {args: []string{"--notify-level", "slack://precious"}, want: "--notify-level no. 1, which is not shown, is not known"},
		"a URL as a level's name": {args: []string{"--notify-level", "slack://precious=all"}, want: "--notify-level no. 1, which is not shown, names no channel"},
		"a level of nobody":       {args: []string{"--notify-level", "ops=all"}, want: `--notify-level: there is no channel "ops"`},
		"a URL as a flag":         {args: []string{"--slack://precious"}, want: "unknown flag, which may be a URL"},
		"a URL as a container":    {args: []string{"check", "slack://precious"}, want: "an argument is a URL"},
		"a URL as a file's name":  {env: map[string]string{"REFIT_NOTIFY_FILE": "slack://precious"}, want: "REFIT_NOTIFY_FILE names no file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := configure(tt.args, tt.env)
			if err == nil {
				t.Fatal("it was taken")
			}
			var b bytes.Buffer
			if code := complain(&b, err); code != exitWrong {
				t.Errorf("exit code %d, want %d", code, exitWrong)
			}
			text := b.String()
			if !strings.HasPrefix(text, "refit: "+tt.want) || strings.Count(text, "\n") != 2 || strings.Contains(text, "precious") {
				t.Errorf("got:\n%s\nwant two lines that begin with %q, and nothing precious", text, tt.want)
			}
		})
	}
}

func TestHealthDoesNotMindAChannel(t *testing.T) {
	t.Parallel()
	if _, err := configure([]string{"health"}, map[string]string{"REFIT_NOTIFY": "ops=slak://precious"}); err != nil {
		t.Error(err)
	}
}

func TestTheListOfChannels(t *testing.T) {
	t.Parallel()
	c := config{}
	c.notify.channels = []notify.Channel{
		{Name: "ops", URL: "generic+https://precious/precious", Level: notify.Changes},
		{Name: "dev", URL: "ifttt://precious/?events=precious", Level: notify.All},
	}
	at := time.Date(2026, 5, 3, 4, 0, 0, 0, time.Local)
	letter := func(channel string, fill func(*core.Letter)) core.Letter {
		l := core.Letter{Channel: channel, Posted: at, Notices: []core.Notice{{Kind: core.NoticeUpdated, Container: "web", At: at}, {Kind: core.NoticeStarted}}}
		fill(&l)
		return l
	}
	rows := c.channelRows([]core.Letter{
		letter("ops", func(l *core.Letter) {
			l.Tries, l.NextTry, l.Fault = 2, at.Add(time.Minute), "connection refused"
		}),
		letter("ops", func(l *core.Letter) { l.Posted = at.Add(time.Hour) }),
		letter("dev", func(l *core.Letter) {
			l.GivenUp, l.Fault = at.Add(48*time.Hour), "HTTP 404"
			for range 5 {
				l.Notices = append(l.Notices, core.Notice{Kind: core.NoticeDown, Container: "db"})
			}
		}),
		letter("gone", func(*core.Letter) {}),
	})
	var b bytes.Buffer
	if err := writeChannels(&b, rows); err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "notify.table"), b.String())
}

// TestADownContainerIsToldBeforeTheCycleIsOver records as an update does.
func TestADownContainerIsToldBeforeTheCycleIsOver(t *testing.T) {
	t.Parallel()
	c := newConfig()
	c.notify.channels = []notify.Channel{{Name: "ops", URL: "generic+http://127.0.0.1:9", Level: notify.Problems}}
	p := &program{config: c, log: newLog(t.Output(), c)}
	s := &session{program: p, engine: docker.Info{Name: "nas"}}
	l, err := ledger.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if s.post, err = s.newPost(l); err != nil {
		t.Fatal(err)
	}
	s.post.note(t.Context(), s.post.clerk.Begin)
	for _, outcome := range []core.Outcome{core.OutcomeRolledBack, core.OutcomeDown} {
		r := core.Result{Name: string(outcome), Outcome: outcome, Started: time.Now(), Took: time.Second}
		if err := (herald{l, s.post}).Record(t.Context(), core.Entry{Attempt: "1", Result: r}); err != nil {
			t.Fatal(err)
		}
		letters, err := l.Letters(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := len(letters) > 0, outcome == core.OutcomeDown; got != want {
			t.Errorf("after a container that is %s something is owed: %t, want %t", outcome, got, want)
		}
	}
}
