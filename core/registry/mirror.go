package registry

import (
	"context"
	"net/url"
	"strings"
)

// inquire asks about the references of one host: Docker Hub's at its mirrors
// first, as the engine does.
func (r *Registry) inquire(ctx context.Context, creds *config, host string, parallel int, asks []*ask) {
	if host != hub {
		r.visit(ctx, creds, host, parallel, asks)
		return
	}
	reflected := map[*ask]string{} // what the mirrors said of those that they did not know
	for _, m := range r.mirrors() {
		asks = r.reflect(ctx, creds, m.Host, parallel, asks, reflected)
	}
	if len(asks) > 0 {
		r.visit(ctx, creds, host, parallel, asks)
	}
	for _, a := range asks {
		if said := reflected[a]; said != "" && a.answer.Digest == "" {
			a.answer.Fault.Text += said
		}
	}
}

// reflect asks one mirror and returns the references that it did not answer for.
// The logins for Docker Hub are not for it: it has its own.
func (r *Registry) reflect(ctx context.Context, creds *config, mirror string, parallel int, asks []*ask, said map[*ask]string) []*ask {
	var here, rest []*ask
	images := map[*ask]*ask{}
	for _, a := range asks {
		ref := a.reference
		ref.Repository = mirror + strings.TrimPrefix(ref.Repository, hub)
		if image, err := r.newAsk(ref); err == nil {
			images[a] = image
			here = append(here, image)
		}
	}
	r.visit(ctx, creds, mirror, parallel, here)
	for _, a := range asks {
		switch image := images[a]; {
		case image != nil && image.answer.Digest != "":
			a.answer = image.answer
			continue
		case image != nil:
			said[a] += "; of its mirrors " + image.answer.Fault.Text
		}
		rest = append(rest, a)
	}
	return rest
}

// mirrors are those that can be asked. A host without dot or port would be taken
// for a part of the repository's name.
func (r *Registry) mirrors() []*url.URL {
	var mirrors []*url.URL
	for _, m := range r.Mirrors {
		u, err := url.Parse(m)
		if err != nil || u.Host == "" {
			continue
		}
		if !strings.ContainsAny(u.Host, ".:") {
			u.Host += map[string]string{"http": ":80", "https": ":443"}[u.Scheme]
		}
		mirrors = append(mirrors, u)
	}
	return mirrors
}
