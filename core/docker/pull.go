package docker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/refit-dev/refit/core"
)

// pullError is a pull that failed, with what people and programs are told of it.
type pullError struct {
	reason    core.Reason
	temporary bool
	err       error
}

func (e *pullError) Error() string       { return e.err.Error() }
func (e *pullError) Unwrap() error       { return e.err }
func (e *pullError) Reason() core.Reason { return e.reason }
func (e *pullError) Temporary() bool     { return e.temporary }

// errStalled is the cause of a pull's end that made no progress.
var errStalled = errors.New("it made no progress")

// Pull fetches repository@digest for the image's platform, without moving any
// tag, and returns the id of the local image. Hear is told how far it is, as
// update.Images says. Its error answers Reason() with what is known of the cause.
func (c *Client) Pull(ctx context.Context, i core.Image, hear func(done, of core.Size)) (string, error) {
	if err := c.ready(ctx); err != nil {
		return "", err
	}
	name := i.Reference.Repository + "@" + i.Digest
	err := c.pull(ctx, name, i, hear)
	if err != nil {
		return "", &pullError{
			err: fmt.Errorf("pull %s: %w", name, err), reason: reasonOf(ctx, i.Reference, err), temporary: ctx.Err() == nil && cutOff(err),
		}
	}
	// The end of the stream is not trusted: only an image that the engine has can be
	// created from.
	found, err := c.resolve(ctx, name)
	code := core.PullFailed
	switch {
	case err != nil:
	case found.ID == "":
		err = errors.New("the engine says that it has pulled it, and does not have it")
	default:
		code, err = core.PlatformGone, c.fits(ctx, i.Platform, found)
	}
	if err != nil {
		return "", &pullError{
			err:    fmt.Errorf("pull %s: %w", name, err),
			reason: core.Reason{Code: code, Text: i.Reference.Text + ": " + err.Error()},
		}
	}
	return found.ID, nil
}

// fits is an error where the image is for another platform than the one that is
// wanted. Where a tag names no index but one image, an engine takes it all the same
// (seen on 20.10). Variants are not compared: images do not always tell theirs.
func (c *Client) fits(ctx context.Context, want core.Platform, found image.InspectResponse) error {
	v, err := c.negotiate(ctx)
	if err != nil {
		return err
	}
	got := v.differs(found.Os, found.Architecture, found.Variant)
	if got.OS == want.OS && got.Architecture == want.Architecture {
		return nil
	}
	if want == (core.Platform{}) {
		want = core.Platform{OS: v.OS, Architecture: v.Arch}
	}
	return fmt.Errorf("it is for %s/%s, not for %s", found.Os, found.Architecture, platformText(want))
}

func (c *Client) pull(ctx context.Context, name string, i core.Image, hear func(done, of core.Size)) error {
	options := image.PullOptions{}
	if i.Platform != (core.Platform{}) {
		options.Platform = platformText(i.Platform)
	}
	if c.options.RegistryAuth != nil {
		auth, err := c.options.RegistryAuth(ctx, i.Reference)
		if err != nil {
			return fmt.Errorf("find its credentials: %w", err)
		}
		options.RegistryAuth = auth
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := time.AfterFunc(c.options.PullStall, func() {
		cancel(fmt.Errorf("%w for %s", errStalled, c.options.PullStall))
	})
	defer stall.Stop()
	stream, err := c.api.ImagePull(ctx, name, options)
	if err == nil {
		defer stream.Close()
		err = follow(&progress{Reader: stream, stall: stall, most: c.options.PullStall}, hear)
	}
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// reasonOf reads what the engine says of a failed pull. It is text only: the
// engine passes on what the registry, or the network, said to it.
func reasonOf(ctx context.Context, r core.Reference, err error) core.Reason {
	if ctx.Err() != nil {
		return core.Reason{Code: core.Cancelled, Text: r.Text + ": " + ctx.Err().Error()}
	}
	text := strings.ToLower(err.Error())
	code := core.PullFailed
	for _, known := range pullReasons {
		if strings.Contains(text, known.says) {
			code = known.code
			break
		}
	}
	return core.Reason{Code: code, Text: r.Text + ": " + err.Error()}
}

// cutOff tells whether a pull failed in a way that may have passed the next moment: a
// connection was cut, the registry's or the engine's own, or the registry was out of
// order.
func cutOff(err error) bool {
	text := strings.ToLower(err.Error())
	return slices.ContainsFunc(cuts, func(says string) bool { return strings.Contains(text, says) })
}

var cuts = []string{
	"unexpected eof", ": eof", "connection reset", "broken pipe", "500 internal server error", "bad gateway", "service unavailable", "gateway timeout",
}

// pullReasons are tried in their order: the message about a repository that may
// need a login also says that it may not exist.
var pullReasons = []struct {
	says string
	code core.Code
}{
	{"no space left on device", core.NoSpace},
	{"toomanyrequests", core.RateLimited},
	{"too many requests", core.RateLimited},
	{"no matching manifest", core.PlatformGone},
	{"does not match the specified platform", core.PlatformGone},
	{"no match for platform", core.PlatformGone},
	{"unauthorized", core.Unauthorized},
	{"authentication required", core.Unauthorized},
	{"no basic auth credentials", core.Unauthorized},
	{"access denied", core.Unauthorized},
	{"access forbidden", core.Unauthorized},
	{"403 forbidden", core.Unauthorized},
	{"manifest unknown", core.NotFound},
	{"not found", core.NotFound},
	{"name unknown", core.NotFound},
	{"name_unknown", core.NotFound},
	{"manifest_unknown", core.NotFound},
	{"no such host", core.RegistryUnreachable},
	{"server misbehaving", core.RegistryUnreachable},
	{"connection refused", core.RegistryUnreachable},
	{"connection reset", core.RegistryUnreachable},
	{"broken pipe", core.RegistryUnreachable},
	{"eof", core.RegistryUnreachable},
	{"network is unreachable", core.RegistryUnreachable},
	{"no route to host", core.RegistryUnreachable},
	{"i/o timeout", core.RegistryUnreachable},
	{"tls handshake", core.RegistryUnreachable},
	{"x509:", core.RegistryUnreachable},
	{"client.timeout exceeded", core.RegistryUnreachable},
	{"bad gateway", core.RegistryUnreachable},
	{"service unavailable", core.RegistryUnreachable},
	{"gateway timeout", core.RegistryUnreachable},
	{errStalled.Error(), core.RegistryUnreachable},
}
