package watchtower_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/refit-dev/refit/core/watchtower"
)

func TestALineIsTakenApartAsWatchtowerDid(t *testing.T) {
	t.Parallel()
	type said = map[string][]string
	for name, test := range map[string]struct {
		args []string
		want watchtower.Line
	}{
		"nothing": {want: watchtower.Line{Said: said{}}},
		"flags, letters and names": {
			args: []string{"--cleanup", "--interval", "30", "-s", "0 0 4 * * *", "web", "--scope=blue", "/db"},
			want: watchtower.Line{
				Said:  said{"cleanup": {"true"}, "interval": {"30"}, "schedule": {"0 0 4 * * *"}, "scope": {"blue"}},
				Names: []string{"web", "db"},
			},
		},
		"letters behind one dash": {
			args: []string{"-cRi30", "-vt=5s", "-x", "a,b", "-x", "c", "-l", "JSON"},
			want: watchtower.Line{Said: said{
				"cleanup": {"true"}, "run-once": {"true"}, "interval": {"30"}, "tlsverify": {"true"}, "stop-timeout": {"5s"},
				"disable-containers": {"a,b", "c"}, "log-format": {"JSON"},
			}},
		},
		"the last one holds, unless many may be given": {
			args: []string{"--scope=a", "--scope=b", "--notification-url", "u1", "--notification-url", "u2"},
			want: watchtower.Line{Said: said{"scope": {"b"}, "notification-url": {"u1", "u2"}}},
		},
		"a switch takes no word behind it": {
			args: []string{"--debug", "false", "--cleanup=false"},
			want: watchtower.Line{Said: said{"debug": {"true"}, "cleanup": {"false"}}, Names: []string{"false"}},
		},
		"what is behind two dashes is a name": {
			args: []string{"-c", "--", "--debug"},
			want: watchtower.Line{Said: said{"cleanup": {"true"}}, Names: []string{"--debug"}},
		},
		"what a fork may know is told without its value": {
			args: []string{"--update-on-start", "--secret=precious", "-cz", "-S"},
			want: watchtower.Line{
				Said: said{"cleanup": {"true"}, "include-stopped": {"true"}}, Unknown: []string{"--update-on-start", "--secret", "-z"},
			},
		},
		"what may be the value of a flag that is not known": {
			args: []string{"--fork", "a", "b", "--fork=c", "d", "-cz", "e", "-zc", "f", "--fork", "--scope", "g", "--fork", "--", "h"},
			want: watchtower.Line{
				Said: said{"cleanup": {"true"}, "scope": {"g"}}, Names: []string{"a", "b", "d", "e", "f", "h"},
				Unknown: []string{"--fork", "--fork", "-z", "-z", "--fork", "--fork"}, Behind: map[int]string{0: "--fork", 3: "-z"},
			},
		},
		"a value that is missing": {args: []string{"-i"}, want: watchtower.Line{Said: said{}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, watchtower.ReadLine(test.args)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
