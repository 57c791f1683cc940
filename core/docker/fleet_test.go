package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/jsonmessage"
	"github.com/refit-dev/refit/core/docker"
	"github.com/refit-dev/refit/core/docker/dockertest"
)

// fleet makes and removes the containers of round trips, by raw calls.
type fleet struct {
	*dockertest.Engine
	world
	c        *docker.Client
	imageIDs map[string]string
	options  []option // that the engine accepts
}

// refusedError is the engine's answer to a request that it does not accept.
type refusedError struct{ message string }

func (r *refusedError) Error() string { return r.message }

const pictures = 16

// newFleet makes what the requests name: images, networks, donors and folders.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{Engine: dockertest.New(t), imageIDs: map[string]string{}}
	f.API.NegotiateAPIVersion(t.Context())
	f.world = world{prefix: f.Prefix(), api: f.API.ClientVersion(), folder: t.TempDir()}
	for _, folder := range []string{"a", "b", "made", "new"} {
		if err := os.Mkdir(filepath.Join(f.folder, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.disk = "/dev/null"
	for _, disk := range []string{"/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0"} {
		if _, err := os.Stat(disk); err == nil {
			f.disk = disk
			break
		}
	}
	f.load(t)
	f.addNetwork(t, "bridge", "bridge", nil)
	f.addNetwork(t, "static", "bridge", &network.IPAM{Config: f.subnets()})
	f.addNetwork(t, "lan", "macvlan", &network.IPAM{Config: f.subnets()[:1]})
	f.addNetwork(t, "shared", "ipvlan", nil)
	for _, name := range []string{"donor-1", "donor-2"} {
		id := f.Container(f.Name(name), &container.Config{
			Image: f.images[0].reference, Entrypoint: []string{"/fixture"}, Cmd: []string{"web"},
			Volumes: map[string]struct{}{"/" + name: {}, "/data": {}},
		}, &container.HostConfig{IpcMode: "shareable", Binds: []string{f.folder + "/a:/" + name + "-folder", f.Name("given") + ":/given:ro"}}, nil)
		f.Start(id)
		f.donors, f.donorIDs = append(f.donors, f.Name(name)), append(f.donorIDs, id)
	}
	return f
}

// subnets are one of each kind that are probably nobody's.
func (f *fleet) subnets() []network.IPAMConfig {
	a, b := rand.IntN(100)+100, rand.IntN(256)
	return []network.IPAMConfig{{Subnet: fmt.Sprintf("10.%d.%d.0/24", a, b)}, {Subnet: fmt.Sprintf("fd00:%x:%x::/64", a, b)}}
}

func (f *fleet) addNetwork(t *testing.T, name, driver string, addresses *network.IPAM) {
	t.Helper()
	n := lan{name: f.Name(name), driver: driver, macAddress: driver != "ipvlan"}
	options := network.CreateOptions{Driver: driver, IPAM: addresses}
	if addresses != nil {
		n.v4 = strings.TrimSuffix(addresses.Config[0].Subnet, "0/24")
		if len(addresses.Config) > 1 {
			n.v6 = strings.TrimSuffix(addresses.Config[1].Subnet, "/64")
			options.EnableIPv6 = new(bool)
			*options.EnableIPv6 = true
		}
	}
	made, err := f.API.NetworkCreate(t.Context(), n.name, options)
	if err != nil {
		t.Logf("without a network of the driver %s: %v", driver, err)
		return
	}
	n.id = made.ID
	f.networks = append(f.networks, n)
}

// load gives the engine the images, as "docker save" would have written them: a
// Dockerfile cannot say everything that an image may say.
func (f *fleet) load(t *testing.T) {
	t.Helper()
	base := f.Name("base") + ":1"
	f.Image(base)
	layer := f.layer(t, base)
	sum := sha256.Sum256(layer)
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	add := func(name string, content []byte) {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	add("layer.tar", layer)
	var manifest []any
	for i := range pictures {
		g := f.generator(uint64(1000 + i))
		p := picture{reference: fmt.Sprintf("%s-%d:1", f.Name("image"), i), config: g.picture()}
		if i == 0 {
			p.config = tree{} // one that says as little as it can
		}
		if none(p.config["Entrypoint"]) && none(p.config["Cmd"]) {
			p.config["Cmd"] = []any{"web"} // else the engine wants a command of every request
		}
		f.images = append(f.images, p)
		encoded, err := json.Marshal(tree{
			"author":       f.prefix, // else another run's images are the same, and go with that run
			"architecture": "amd64", "os": "linux", "config": p.config, "created": fmt.Sprintf("2026-01-01T00:00:%02dZ", i),
			"rootfs": tree{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
		})
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("config-%d.json", i)
		add(name, encoded)
		manifest = append(manifest, tree{"Config": name, "RepoTags": []string{p.reference}, "Layers": []string{"layer.tar"}})
	}
	encoded, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	add("manifest.json", encoded)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f.give(t, &archive)
}

func (f *fleet) give(t *testing.T, archive io.Reader) {
	t.Helper()
	answer, err := f.API.ImageLoad(t.Context(), archive, client.ImageLoadWithQuiet(true))
	if err == nil {
		defer answer.Body.Close()
		err = jsonmessage.DisplayJSONMessagesStream(answer.Body, io.Discard, 0, false, nil)
	}
	if err != nil {
		t.Fatalf("load the images: %v", err)
	}
	for _, p := range f.images {
		loaded, err := f.API.ImageInspect(t.Context(), p.reference)
		if err != nil {
			t.Fatal(err)
		}
		f.imageIDs[p.reference] = loaded.ID
	}
}

// layer takes the only layer out of an image.
func (f *fleet) layer(t *testing.T, reference string) []byte {
	t.Helper()
	saved, err := f.API.ImageSave(t.Context(), []string{reference})
	if err != nil {
		t.Fatal(err)
	}
	defer saved.Close()
	var largest []byte
	for archive := tar.NewReader(saved); ; {
		_, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return largest
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if len(content) > len(largest) {
			largest = content
		}
	}
}

// post sends a request as it stands. The client's own methods send only what they know.
func (f *fleet) post(ctx context.Context, path string, query url.Values, body, out any) error {
	encoded, err := json.Marshal(body)
	if err != nil {
		return err
	}
	address := "http://" + client.DummyHost + "/v" + f.api + path + "?" + query.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := f.API.HTTPClient().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err
	case response.StatusCode >= http.StatusBadRequest:
		return &refusedError{message: strings.TrimSpace(string(content))}
	case out == nil:
		return nil
	}
	return json.Unmarshal(content, out)
}

// make makes a container of the request and an image. A refused one leaves nothing.
func (f *fleet) make(ctx context.Context, name, reference string, q request) (string, error) {
	body := maps.Clone(q.body)
	body["Image"] = reference
	var made struct{ ID string }
	if err := f.post(ctx, "/containers/create", url.Values{"name": {name}}, body, &made); err != nil {
		return "", err
	}
	for _, n := range slices.Sorted(maps.Keys(q.later)) {
		err := f.post(ctx, "/networks/"+n+"/connect", nil, tree{"Container": made.ID, "EndpointConfig": q.later[n]}, nil)
		if err != nil {
			return "", errors.Join(fmt.Errorf("connect: %w", err), f.remove(ctx, made.ID))
		}
	}
	return made.ID, nil
}

func (f *fleet) remove(ctx context.Context, id string) error {
	return f.API.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
}

// look returns what the engine shows of a container.
func (f *fleet) look(ctx context.Context, id string) (view, error) {
	_, raw, err := f.API.ContainerInspectWithRaw(ctx, id, false)
	if err != nil {
		return view{}, err
	}
	return newView(raw)
}
