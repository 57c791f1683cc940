package update

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/refit-dev/refit/core"
)

const (
	// pullTries is how often an image is pulled where the pull is cut off, or fails in
	// another way that may have passed the next moment.
	pullTries = 4
	// firstPullPause is about how long to wait before the second try; the pause before
	// each further one is twice as long.
	firstPullPause = time.Second
	// pullNews is how often the log is told how far a pull is.
	pullNews = 10 * time.Second
)

// pulls are those of one Apply: some run at a time, and each image is asked for once.
type pulls struct {
	*Updater
	places chan struct{}

	mu     sync.Mutex
	images map[wanted]*pulled
}

// wanted is what tells pulls apart: an index has an image for each platform.
type wanted struct {
	repository, digest string
	platform           core.Platform
}

// pulled is what became of a pull, once done is closed.
type pulled struct {
	done chan struct{}
	id   string
	err  error
}

func (u *Updater) newPulls() *pulls {
	n := u.PullParallel
	if n <= 0 {
		n = 2
	}
	return &pulls{Updater: u, places: make(chan struct{}, n), images: map[wanted]*pulled{}}
}

// fetch returns the id of an image, which is on the engine when it returns. Whoever
// asks first has it pulled, and is told what that took. Those who ask for the same
// later wait for that, and share its end, be it good or bad.
func (p *pulls) fetch(ctx context.Context, image core.Image, log *slog.Logger) (id string, took core.Transfer, err error) {
	key := wanted{image.Reference.Repository, image.Digest, image.Platform}
	for {
		one, mine := p.enlist(key)
		if mine {
			took = p.first(ctx, one, image, log)
			return one.id, took, one.err
		}
		select {
		case <-one.done:
		case <-ctx.Done():
			return "", took, ctx.Err()
		}
		if one.err != nil {
			return "", took, one.err
		}
		// Somebody may have removed it meanwhile: then it is pulled again.
		there, err := p.Engine.Defaults(ctx, one.id)
		if err != nil {
			return "", took, engineFailed(err, "look for the image that was pulled")
		}
		if there.Known() {
			log.Debug("another container has had it pulled", slog.String("image", image.Reference.Text))
			return one.id, took, nil
		}
		p.forget(key, one)
	}
}

// enlist returns the pull of that key. Mine says that there was none: then it is the
// caller's to make.
func (p *pulls) enlist(key wanted) (one *pulled, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one, there := p.images[key]; there {
		return one, false
	}
	one = &pulled{done: make(chan struct{})}
	p.images[key] = one
	return one, true
}

func (p *pulls) forget(key wanted, one *pulled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.images[key] == one {
		delete(p.images, key)
	}
}

// first pulls the image when there is a place, and lets go of those who wait for it.
func (p *pulls) first(ctx context.Context, one *pulled, image core.Image, log *slog.Logger) (took core.Transfer) {
	defer close(one.done) // also after a panic: the id is that of no image then
	select {
	case p.places <- struct{}{}:
		defer func() { <-p.places }()
	case <-ctx.Done():
		one.err = ctx.Err()
		return took
	}
	log = log.With(slog.String("image", image.Reference.Text))
	if one.err = p.room(ctx, image, log); one.err != nil {
		return took
	}
	log.Info("pulling", slog.String("digest", image.Digest))
	began, m := time.Now(), p.newMeter(image)
	stop := m.start(log)
	one.id, one.err = p.insist(ctx, image, log, m)
	stop()
	took.Bytes, _ = m.read()
	took.Took = time.Since(began)
	if one.err != nil {
		return core.Transfer{}
	}
	log.Info("pulled", slog.Any("size", took.Bytes), slog.Duration("took", took.Took.Round(time.Millisecond)))
	return took
}

// insist pulls again where that may help.
func (p *pulls) insist(ctx context.Context, image core.Image, log *slog.Logger, m *meter) (id string, err error) {
	for try := 1; ; try++ {
		id, err = p.Engine.Pull(ctx, image, m.hear())
		if err == nil || try == pullTries || !temporary(err) || ctx.Err() != nil {
			return id, err
		}
		// By chance, so that those that were cut off together do not come back together.
		pause := firstPullPause << (try - 1)
		pause = pause/2 + rand.N(pause)
		log.Warn("the pull was cut off, and is tried again", slog.Duration("in", pause.Round(time.Millisecond)), slog.Any("error", err))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return "", err
		}
	}
}

// meter counts what comes in one pull, over all its tries.
type meter struct {
	image  core.Image
	screen Screen // nil if there is none

	mu       sync.Mutex
	done, of core.Size
}

func (p *pulls) newMeter(image core.Image) *meter { return &meter{image: image, screen: p.Screen} }

func (m *meter) read() (done, of core.Size) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done, m.of
}

// hear returns what listens to one try: what came in those before has come, too.
func (m *meter) hear() func(done, of core.Size) {
	before, _ := m.read()
	return func(done, of core.Size) {
		m.mu.Lock()
		m.done, m.of = before+done, before+of
		m.mu.Unlock()
		if m.screen != nil {
			m.screen.Pulling(m.image, before+done, before+of)
		}
	}
}

// start shows how far the pull is, or tells it now and then, until the function that
// it returns is called.
func (m *meter) start(log *slog.Logger) (stop func()) {
	if m.screen != nil {
		m.screen.Pulling(m.image, 0, 0)
		return func() { m.screen.Pulled(m.image) }
	}
	over := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		news := time.NewTicker(pullNews)
		defer news.Stop()
		for {
			select {
			case <-over:
				return
			case <-news.C:
				done, of := m.read()
				log.Info("still pulling", slog.Any("done", done), slog.Any("of", of))
			}
		}
	})
	return func() {
		close(over)
		group.Wait()
	}
}
