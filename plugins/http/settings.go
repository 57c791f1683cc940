package http

import (
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/refit-dev/refit/hooks"
)

const (
	defaultTimeout = 30 * time.Second
	minTimeout     = time.Second
	maxTimeout     = time.Hour
	minKey         = 16 // bytes of a secret
)

// settings are what the operator and the labels say, read: the target of each stage
// that has one.
type settings struct{ targets map[string]target }

// target is a URL that may be called.
type target struct {
	name    string
	url     *url.URL
	secret  string
	timeout time.Duration // of the whole call
	roots   *x509.CertPool
}

// read reads all settings, also those of other stages: what is wrong is found
// before anything is stopped.
func read(u *hooks.Update) (settings, error) {
	known, err := targets(u.Operator)
	if err != nil {
		return settings{}, err
	}
	s := settings{targets: map[string]target{}}
	for _, stage := range []string{preUpdate, postUpdate, finished, onRollback} {
		name := u.Setting(stage)
		if name == "" {
			continue
		}
		t, there := known[name]
		if !there {
			return settings{}, fmt.Errorf("%s %s", stage, unknown(name, known))
		}
		s.targets[stage] = t
	}
	return s, nil
}

var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$`)

// unknown says that there is no URL of that name. What does not look like a name is
// not shown: it may be a URL.
func unknown(name string, known map[string]target) string {
	what := "is not the name of a URL"
	if plainName.MatchString(name) {
		what = fmt.Sprintf("names the URL %q, which does not exist", name)
	}
	if len(known) == 0 {
		return what + ": the operator has configured none (--hook-config http.url.NAME=URL)"
	}
	return what + ": there are " + strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

// targets are all URLs that the operator has configured, by name.
func targets(operator map[string]string) (map[string]target, error) {
	roots, err := authorities(operator["ca"])
	if err != nil {
		return nil, err
	}
	usual, err := duration("timeout", operator["timeout"], defaultTimeout)
	if err != nil {
		return nil, err
	}
	all := map[string]target{}
	for key, text := range operator {
		name, is := strings.CutPrefix(key, "url.")
		if !is {
			continue
		}
		t := target{name: name, secret: operator["secret."+name], roots: roots}
		if t.url, err = parse(text); err != nil {
			return nil, fmt.Errorf("%s %w", key, err)
		}
		if t.timeout, err = duration("timeout."+name, operator["timeout."+name], usual); err != nil {
			return nil, err
		}
		all[name] = t
	}
	return all, strays(operator, all)
}

// strays refuses settings of a URL that is not there: whoever has mistyped the name
// of a secret would send without a signature.
func strays(operator map[string]string, known map[string]target) error {
	for _, key := range slices.Sorted(maps.Keys(operator)) {
		for _, family := range []string{"secret.", "timeout."} {
			name, is := strings.CutPrefix(key, family)
			if _, there := known[name]; is && !there {
				return fmt.Errorf("%s is set, and url.%s is not", key, name)
			}
		}
	}
	for name, t := range known {
		if _, set := operator["secret."+name]; set && len(t.secret) < minKey {
			return fmt.Errorf("secret.%s has less than %d bytes", name, minKey)
		}
	}
	return nil
}

// parse reads a URL. Its error does not show it.
func parse(text string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil:
		return nil, errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("is not a URL that begins with https:// or http://")
	case u.Hostname() == "":
		return nil, errors.New("is a URL without a host")
	}
	u.Fragment = ""
	return u, nil
}

// authorities reads the operator's own certificates, and adds the system's. Without
// a file there is nothing to add.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the file of the setting ca: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, errors.New("the file of the setting ca holds no certificate in PEM")
	}
	return pool, nil
}

// duration reads "90s", "5m" or plain seconds; nothing is the usual value.
func duration(key, text string, usual time.Duration) (time.Duration, error) {
	if text == "" {
		return usual, nil
	}
	d, err := time.ParseDuration(text)
	if seconds, plain := strconv.ParseUint(text, 10, 31); plain == nil {
		d, err = time.Duration(seconds)*time.Second, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration: use 90s, 5m or plain seconds", key)
	}
	if d < minTimeout || d > maxTimeout {
		return 0, fmt.Errorf("%s is not between %s and %s", key, minTimeout, maxTimeout)
	}
	return d, nil
}
