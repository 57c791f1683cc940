package docker

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// noImage can be on no engine: the domain is kept free of hosts (RFC 2606).
const noImage = "refit.invalid/none:none"

// missingSource is how an engine says that a path on its host is not there.
const missingSource = "bind source path does not exist"

// checkSources finds a path on the host that the predecessor has mounted and that is
// gone since. The engine would make an empty folder of it for the successor, when it
// starts, and nobody would notice.
//
// Refit may not see the engine's host, so the engine is asked: it looks at the mounts
// of a create call before it looks for the image. The call names an image that there
// cannot be, so that nothing is made whatever comes of it. An engine that looks for
// the image first says nothing of the paths, and then nothing is known of them.
func (c *Client) checkSources(ctx context.Context, f facts) error {
	var mounts []any
	for i, source := range f.sources() {
		mounts = append(mounts, object{"Type": "bind", "Source": source, "Target": fmt.Sprintf("/%d", i)})
	}
	if len(mounts) == 0 || !f.started() {
		return nil // what was never there has not gone
	}
	body := object{"Image": noImage, "HostConfig": object{"Mounts": mounts}}
	err := c.call(ctx, http.MethodPost, c.versioned("/containers/create"), url.Values{}, body, nil)
	if err == nil || !strings.Contains(err.Error(), missingSource) {
		return nil
	}
	_, path, _ := strings.Cut(err.Error(), missingSource)
	return fmt.Errorf("%s, which it has mounted, is gone from the host", strings.TrimLeft(path, ": "))
}

// sources are the paths on the host that the settings name.
func (f facts) sources() []string {
	var all []string
	for _, bind := range f.host().texts("Binds") {
		if source, _, found := strings.Cut(bind, ":"); found && strings.HasPrefix(source, "/") {
			all = append(all, source)
		}
	}
	for _, mount := range f.host().objects("Mounts") {
		if mount.text("Type") == "bind" {
			all = append(all, mount.text("Source"))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
