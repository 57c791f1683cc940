package docker

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/google/go-cmp/cmp"
)

func TestAPodmanThatCannotChangeRestartPoliciesIsToldOf(t *testing.T) {
	t.Parallel()
	const podman, docker = `{"Components":[{"Name":"Podman Engine"}],"Version":`, `{"Components":[{"Name":"Engine"}],"Version":`
	for name, row := range map[string]struct {
		version, policy string
		want            bool
	}{
		"Podman 4, and a policy":    {podman + `"4.3.1"}`, "always", true},
		"Podman 5.0, and a policy":  {podman + `"5.0.3"}`, "on-failure", true},
		"Podman 4, and no policy":   {podman + `"4.3.1"}`, "no", false},
		"Podman 4, and none at all": {podman + `"4.3.1"}`, "", false},
		"Podman 5.1, and a policy":  {podman + `"5.1.0"}`, "always", false},
		"an old Docker":             {docker + `"1.13.1"}`, "always", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			web := inspected("web")
			web.HostConfig.RestartPolicy.Name = container.RestartPolicyMode(row.policy)
			s := census{
				containers: []container.InspectResponse{web}, networks: []string{"bridge"},
				images: map[string]image.InspectResponse{webImage: *tagged("nginx:1")},
			}
			if err := json.Unmarshal([]byte(row.version), &s.engine); err != nil {
				t.Fatal(err)
			}
			found := s.describe()[0].Obstacles
			if got := len(found) == 1 && strings.Contains(found[0].Text, "cannot change a restart policy"); got != row.want || len(found) > 1 {
				t.Errorf("obstacles: %v", found)
			}
		})
	}
}

func TestPodmansLimitsAreSaidInDockersWords(t *testing.T) {
	t.Parallel()
	f := known(t, `{}`, `{"Ulimits":[{"Name":"RLIMIT_NOFILE","Hard":1024,"Soft":512},{"Name":"core","Hard":0,"Soft":0}]}`, "", `{}`)
	want := asJSON(t, read(t, `{"Ulimits":[{"Name":"nofile","Hard":1024,"Soft":512},{"Name":"core","Hard":0,"Soft":0}]}`)["Ulimits"])
	if diff := cmp.Diff(want, asJSON(t, f.stated().host["Ulimits"])); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
