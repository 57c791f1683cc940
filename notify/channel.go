package notify

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/refit-dev/refit/core"
)

var (
	channelName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	schemeName  = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,31}$`)
)

// ParseChannel reads NAME=URL, or a URL alone, which is named after its service.
// Its errors show no more of the URL than the scheme.
func ParseChannel(text string) (Channel, error) {
	c, _, err := parseChannel(text)
	return c, err
}

// ParseChannels reads one channel from each text. Names are unique; of URLs
// without one, the second of a service is called "slack-2", and so on.
func ParseChannels(texts []string) ([]Channel, error) {
	channels, named := make([]Channel, len(texts)), make([]bool, len(texts))
	taken := map[string]bool{}
	for i, text := range texts {
		var err error
		if channels[i], named[i], err = parseChannel(text); err != nil {
			return nil, err
		}
		name := channels[i].Name
		if named[i] && taken[name] {
			return nil, fmt.Errorf("channel %s: there are two of this name", name)
		}
		taken[name] = taken[name] || named[i]
	}
	for i, c := range channels {
		if named[i] {
			continue
		}
		for n := 2; taken[channels[i].Name]; n++ {
			channels[i].Name = c.Name + "-" + strconv.Itoa(n)
		}
		taken[channels[i].Name] = true
	}
	return channels, nil
}

func parseChannel(text string) (c Channel, named bool, err error) {
	text = strings.TrimSpace(text)
	name, rest, named := strings.Cut(text, "=")
	if !named || strings.Contains(name, "://") {
		name, rest, named = "", text, false
	}
	// A name that is none is not shown: it may be a part of a credential.
	if named && !channelName.MatchString(name) {
		return Channel{}, false, errors.New("a channel's name is of letters, digits, dots, dashes and underscores: NAME=URL")
	}
	s, err := checkURL(rest)
	switch {
	case err != nil && named:
		return Channel{}, false, fmt.Errorf("channel %s: %w", name, err)
	case err != nil:
		return Channel{}, false, fmt.Errorf("channel without a name: %w", err)
	case !named:
		name = s.scheme
	}
	return Channel{Name: name, URL: rest}, named, nil
}

// checkURL finds out whether shoutrrr understands a URL, as far as that is
// possible without asking anybody.
func checkURL(raw string) (service, error) {
	scheme, _, ok := strings.Cut(raw, "://")
	if !ok || !schemeName.MatchString(scheme) {
		return service{}, errors.New("this is not a URL: SERVICE://…")
	}
	s, known := serviceOf(scheme)
	if !known {
		return s, unknownService(scheme)
	}
	if _, err := url.Parse(raw); err != nil {
		return s, fmt.Errorf("%s: the URL cannot be read: special characters in a password are written as %%XX", s.scheme)
	}
	if s.online {
		return s, nil
	}
	if _, err := locate(raw); err != nil {
		return s, fmt.Errorf("%s: the URL is not understood: %s", s.scheme, newRedactor(raw).clean(err.Error()))
	}
	return s, nil
}

func unknownService(scheme string) error {
	switch strings.ToLower(scheme) {
	case "http", "https":
		return fmt.Errorf("%s is not a service: a webhook is generic+%s://…, and Slack, Discord and others have services of their own", scheme, scheme)
	case "mailto", "smtps":
		return fmt.Errorf("%s is not a service: mail is smtp://…", scheme)
	}
	if near, ok := core.Nearest(scheme, schemes()); ok {
		return fmt.Errorf("unknown service: %s: did you mean %s?", scheme, near)
	}
	return fmt.Errorf("unknown service: %s: known are %s", scheme, strings.Join(schemes(), ", "))
}
