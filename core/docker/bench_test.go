package docker

import (
	"encoding/json"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/refit-dev/refit/core"
)

// BenchmarkDescribe turns what an engine said of 1,000 containers of 200 images, in
// projects of ten, into core's words.
func BenchmarkDescribe(b *testing.B) {
	d, _ := furnish(b, 1000, 200)
	s := census{engine: version{OS: "linux", Arch: "amd64"}, images: map[string]image.InspectResponse{}, networks: []string{"bridge", "b0"}}
	for _, c := range d.containers {
		s.containers = append(s.containers, slimContainer(c))
	}
	for _, i := range d.images {
		s.images[i.ID] = slimImage(i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if all := s.describe(); len(all) != 1000 {
			b.Fatalf("%d containers", len(all))
		}
	}
}

// BenchmarkContainers lists 1,000 containers of 200 images that are as they were. The
// engine, which answers by HTTP from memory, is part of it.
func BenchmarkContainers(b *testing.B) {
	for _, how := range []string{"asking", "remembering"} {
		b.Run(how, func(b *testing.B) {
			d, c := furnish(b, 1000, 200)
			if how == "remembering" {
				d.watch(b, c)
			}
			d.count(b, c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Containers(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkClone makes the body of a create call from a snapshot.
func BenchmarkClone(b *testing.B) {
	f := known(b,
		`{"Image":"nginx:1","Env":["PATH=/usr/bin","TZ=Europe/Berlin","MODE=a"],"Cmd":["nginx","-g","daemon off;"],"Hostname":"0123456789ab",
			"Labels":{"a":"b","refit.enable":"true","com.docker.compose.image":"sha256:0"},"ExposedPorts":{"80/tcp":{},"443/tcp":{}},
			"Healthcheck":{"Test":["CMD","probe"],"Interval":30000000000}}`,
		`{"NetworkMode":"front","Binds":["data:/data","/etc/web:/etc/web:ro"],"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}]},
			"RestartPolicy":{"Name":"always","MaximumRetryCount":0},"Memory":268435456,"CapAdd":["NET_ADMIN"],"ExtraHosts":["a:1.2.3.4"]}`,
		`"State":{"StartedAt":"2030-01-01T00:00:00Z"},
			"Mounts":[{"Type":"volume","Name":"data","Destination":"/data","RW":true},{"Type":"volume","Name":"anonymous","Destination":"/cache","RW":true}],
			"NetworkSettings":{"Networks":{"front":{"Aliases":["web","0123456789ab"],"IPAddress":"10.0.0.2"},"lan":{"MacAddress":"02:42:0a:00:00:02"}}}`,
		`{"Env":["PATH=/usr/bin","MODE=a"],"Cmd":["nginx","-g","daemon off;"],"ExposedPorts":{"80/tcp":{}},"Labels":{"maintainer":"x"}}`)
	snapshot, err := json.Marshal(f)
	if err != nil {
		b.Fatal(err)
	}
	draft := core.Draft{Name: "web.refit-new", From: snapshot, Reference: "nginx:1", Mark: core.Mark{Attempt: "0123456789abcdef"}}
	b.ReportAllocs()
	for b.Loop() {
		f, err := readFacts(draft.From)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := json.Marshal(f.body(draft, "sha256:1", "1.41")); err != nil {
			b.Fatal(err)
		}
	}
}
