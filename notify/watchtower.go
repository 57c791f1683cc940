package notify

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Watchtower's variables. Of those with a secret in them Watchtower takes a file's
// name, too.
const (
	towerTypes = "WATCHTOWER_NOTIFICATIONS"
	towerURL   = "WATCHTOWER_NOTIFICATION_URL"
	towerLevel = "WATCHTOWER_NOTIFICATIONS_LEVEL"
	towerOne   = "WATCHTOWER_NOTIFICATION_" // the beginning of all others
)

// tower reads what somebody has brought along from Watchtower.
type tower struct {
	getenv   func(string) string
	warnings []string
}

// FromWatchtower makes channels of Watchtower's variables: its list of URLs, and the
// email, slack and gotify variables of old. The warnings say what of them is not obeyed;
// variables that have no effect at all are not among them.
// Neither they nor the error hold a part of a URL beyond its scheme.
func FromWatchtower(getenv func(string) string) (channels []Channel, warnings []string, err error) {
	t := &tower{getenv: getenv}
	raw, err := t.urls()
	if err != nil {
		return nil, nil, err
	}
	channels, err = ParseChannels(raw)
	if err != nil {
		return nil, nil, fmt.Errorf("channel of %s: %w", towerTypes, err)
	}
	level := t.level()
	for i := range channels {
		channels[i].Level = level
	}
	return channels, t.warnings, nil
}

// urls are shoutrrr's URLs of all that is set, in its order.
func (t *tower) urls() ([]string, error) {
	all, err := t.listed()
	if err != nil {
		return nil, err
	}
	types := strings.FieldsFunc(t.getenv(towerTypes), func(r rune) bool { return r == ' ' || r == ',' })
	for _, kind := range types {
		one, err := t.legacy(strings.Trim(kind, `"'`), len(all) > 0)
		if err != nil {
			return nil, err
		}
		if one != "" {
			all = append(all, one)
		}
	}
	return all, nil
}

// listed are the URLs of Watchtower's list: each word of it is one, or a file of some.
func (t *tower) listed() (all []string, err error) {
	list := t.getenv(towerURL)
	if list == "" {
		if list, err = t.filed(towerURL); err != nil {
			return nil, err
		}
	}
	for _, word := range strings.Fields(list) {
		text, err := content(towerURL, word)
		if err != nil {
			return nil, err
		}
		for _, raw := range strings.Fields(text) {
			if _, err := ParseChannel(raw); err != nil {
				return nil, fmt.Errorf("%s: %w", towerURL, err)
			}
			all = append(all, raw)
		}
	}
	return all, nil
}

// legacy makes a URL of one of the types of old.
func (t *tower) legacy(kind string, some bool) (string, error) {
	switch kind {
	case "email":
		return t.email()
	case "slack":
		return t.slack()
	case "gotify":
		return t.gotify()
	case "msteams":
		t.warn(towerTypes + "=msteams is not obeyed: Microsoft has switched off the connectors that it is for. Send mail to the channel's address, or JSON to a workflow's webhook (--notify with smtp or generic)")
		return "", nil
	case "shoutrrr":
		if !some {
			return "", errors.New(towerTypes + "=shoutrrr needs " + towerURL)
		}
		return "", nil
	}
	return "", fmt.Errorf("%s: unknown type %q: known are email, slack, gotify, msteams and shoutrrr", towerTypes, kind)
}

func (t *tower) warn(text string) { t.warnings = append(t.warnings, text) }

func (t *tower) email() (string, error) {
	get := func(name string) string { return t.getenv(towerOne + "EMAIL_" + name) }
	for _, name := range []string{"FROM", "TO", "SERVER"} {
		if get(name) == "" {
			return "", fmt.Errorf("%s=email needs %sEMAIL_%s", towerTypes, towerOne, name)
		}
	}
	port := get("SERVER_PORT")
	if port == "" {
		port = "25"
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", fmt.Errorf("%sEMAIL_SERVER_PORT is no port number", towerOne)
	}
	password, err := t.secret(towerOne + "EMAIL_SERVER_PASSWORD")
	if err != nil {
		return "", err
	}
	u := url.URL{Scheme: "smtp", Host: net.JoinHostPort(get("SERVER"), port), Path: "/"}
	query := url.Values{"from": {get("FROM")}, "to": {get("TO")}, "auth": {"None"}}
	if user := get("SERVER_USER"); user != "" {
		u.User = url.UserPassword(user, password)
		query.Set("auth", "Plain")
	}
	if yes, _ := strconv.ParseBool(get("SERVER_TLS_SKIP_VERIFY")); yes {
		// As Watchtower's last release did: no TLS at all.
		query.Set("encryption", "None")
		query.Set("starttls", "no")
		t.warn(towerOne + "EMAIL_SERVER_TLS_SKIP_VERIFY switches TLS off, as it did in Watchtower: let Refit trust the server's authority instead (SSL_CERT_FILE)")
	}
	u.RawQuery = query.Encode()
	return u.String(), nil
}

func (t *tower) slack() (string, error) {
	const name = towerOne + "SLACK_HOOK_URL"
	hook, err := t.secret(name)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(strings.TrimSuffix(hook, "/"))
	if hook == "" || err != nil {
		return "", fmt.Errorf("%s=slack needs a URL in %s", towerTypes, name)
	}
	bot := t.getenv(towerOne + "SLACK_IDENTIFIER")
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	switch {
	case u.Host == "hooks.slack.com" && len(parts) == 4 && parts[0] == "services":
		query := url.Values{}
		icon := t.getenv(towerOne + "SLACK_ICON_URL")
		if emoji := t.getenv(towerOne + "SLACK_ICON_EMOJI"); emoji != "" {
			icon = emoji
		}
		set(query, "botname", bot)
		set(query, "icon", icon)
		token := url.UserPassword("hook", strings.Join(parts[1:], "-"))
		return (&url.URL{Scheme: "slack", User: token, Host: "webhook", RawQuery: query.Encode()}).String(), nil
	case (u.Host == "discord.com" || u.Host == "discordapp.com") && len(parts) == 5 && parts[4] == "slack":
		query := url.Values{}
		set(query, "username", bot)
		return (&url.URL{Scheme: "discord", User: url.User(parts[3]), Host: parts[2], RawQuery: query.Encode()}).String(), nil
	}
	return "", fmt.Errorf("%s is neither a webhook of Slack nor one of Discord: what else takes Slack's form is in shoutrrr's list by its own name (--notify)", name)
}

func set(query url.Values, key, value string) {
	if value != "" {
		query.Set(key, value)
	}
}

func (t *tower) gotify() (string, error) {
	server := t.getenv(towerOne + "GOTIFY_URL")
	token, err := t.secret(towerOne + "GOTIFY_TOKEN")
	if err != nil {
		return "", err
	}
	u, err := url.Parse(server)
	if err != nil || token == "" || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", fmt.Errorf("%s=gotify needs %sGOTIFY_URL, which is http:// or https://, and %sGOTIFY_TOKEN", towerTypes, towerOne, towerOne)
	}
	made := url.URL{Scheme: "gotify", Host: u.Host, Path: strings.TrimSuffix(u.Path, "/") + "/" + token}
	if u.Scheme == "http" {
		made.RawQuery = "disabletls=yes"
	}
	return made.String(), nil
}

// secret reads a variable whose value may be a file's name, or be in the file that
// NAME_FILE names.
func (t *tower) secret(name string) (string, error) {
	if value := t.getenv(name); value != "" {
		return content(name, value)
	}
	return t.filed(name)
}

// filed reads the file that NAME_FILE names.
func (t *tower) filed(name string) (string, error) {
	file := t.getenv(name + "_FILE")
	if file == "" {
		return "", nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the file of %s_FILE: %w", name, cause(err))
	}
	return strings.TrimSpace(string(text)), nil
}

// content is what is in the file that a variable's value names, or the value: a password
// may begin like a path.
func content(name, value string) (string, error) {
	if !strings.HasPrefix(value, "/") {
		return value, nil
	}
	text, err := os.ReadFile(value)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return value, nil
	case err != nil:
		return "", fmt.Errorf("read the file of %s: %w", name, cause(err))
	}
	return strings.TrimSpace(string(text)), nil
}

// cause is what is wrong with a file, without its name: that may be a secret that
// was taken for one.
func cause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// level is the nearest to a level of the log.
func (t *tower) level() Level {
	switch word := strings.ToLower(t.getenv(towerLevel)); word {
	case "", "info":
		return ""
	case "debug", "trace":
		return All
	case "warn", "warning", "error", "fatal", "panic":
		return Problems
	default:
		t.warn(fmt.Sprintf("%s is not obeyed: %q is no level of a log", towerLevel, word))
		return ""
	}
}
