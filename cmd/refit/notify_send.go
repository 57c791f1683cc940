package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify"
)

// previews are the forms of a message that notify preview shows.
var previews = []string{"text", "plain", "html", "json"}

// runNotifyPreview shows what a message would say.
func runNotifyPreview(_ context.Context, p *program) (int, error) {
	words, err := p.words("")
	if err != nil {
		return 0, err
	}
	ch := notify.Channel{Name: "preview"}
	if len(p.notify.channels) > 0 {
		ch = p.notify.channels[0]
	}
	m, err := words.Message(ch, notify.Sample(p.event))
	if err != nil {
		return 0, fmt.Errorf("preview %s: %w", p.event, err)
	}
	shown := map[string]string{"plain": m.Title + "\n\n" + m.Plain, "html": m.HTML, "json": string(m.JSON)}
	text, ok := shown[p.format]
	if !ok {
		text = m.Title + "\n" + m.Text
	}
	_, err = io.WriteString(p.stdout, strings.TrimRight(text, "\n")+"\n")
	return exitDone, err
}

// runNotifyTest sends a sample to channels, all at the same time: one that hangs
// does not keep people from hearing of the others.
func runNotifyTest(ctx context.Context, p *program) (int, error) {
	channels, err := p.chosen()
	if err != nil {
		return 0, err
	}
	words, err := p.words("")
	if err != nil {
		return 0, err
	}
	postman := p.postman(nil, words) // a sample does not go through the outbox
	faults := make([]error, len(channels))
	var group sync.WaitGroup
	for i, ch := range channels {
		group.Go(func() { faults[i] = try(ctx, postman, ch) })
	}
	group.Wait()
	code := exitDone
	for i, ch := range channels {
		service, _, _ := strings.Cut(ch.URL, "://")
		said := "delivered"
		if faults[i] != nil {
			code, said = exitFailed, "failed: "+faults[i].Error()
		}
		if _, err := fmt.Fprintf(p.stdout, "%s (%s): %s\n", ch.Name, service, clean(said)); err != nil {
			return 0, err
		}
	}
	for _, w := range notify.Warnings(channels) {
		_, _ = fmt.Fprintf(p.stderr, "refit: channel %s: %s\n", w.Channel, clean(w.Text))
	}
	return code, nil
}

// try sends what is plainly a test.
func try(ctx context.Context, postman *notify.Postman, ch notify.Channel) error {
	m, err := postman.Words(ch, []core.Notice{{
		Kind: "test", At: time.Now(), Reason: core.Reason{Code: "test", Text: "somebody tries the channel " + ch.Name + ", and it works"},
	}})
	if err != nil {
		return err
	}
	return postman.Try(ctx, ch, m)
}

// chosen are the channels that the command names, all if it names none.
func (p *program) chosen() ([]notify.Channel, error) {
	if len(p.notify.channels) == 0 {
		return nil, refusal{problem: "there are no channels", hint: "--notify NAME=URL, or REFIT_NOTIFY, makes one"}
	}
	if len(p.names) == 0 {
		return p.notify.channels, nil
	}
	var found []notify.Channel
	for _, name := range p.names {
		i := slices.IndexFunc(p.notify.channels, func(ch notify.Channel) bool { return ch.Name == name })
		if i < 0 {
			r := refusal{problem: fmt.Sprintf("there is no channel %q", name), hint: "the channels are " + strings.Join(p.channelNames(), ", ")}
			if near, ok := core.Nearest(name, p.channelNames()); ok {
				r.hint = "did you mean " + near + "?"
			}
			return nil, r
		}
		found = append(found, p.notify.channels[i])
	}
	return found, nil
}
