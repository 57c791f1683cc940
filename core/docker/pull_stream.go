package docker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/refit-dev/refit/core"
)

// pullMessage is one message of a pull's stream, as far as it is needed.
type pullMessage struct {
	ID     string // of a layer, short
	Status string
	Detail struct {
		Current, Total int64
		Units          string // "" for bytes
	} `json:"progressDetail"`
	Error *struct{ Message string } `json:"errorDetail"`
}

// follow reads a pull's stream to its end: errors are in it.
func follow(stream io.Reader, hear func(done, of core.Size)) error {
	decoder, layers := json.NewDecoder(stream), tally{}
	for {
		var m pullMessage
		err := decoder.Decode(&m)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read its progress: %w", err)
		case m.Error != nil:
			return errors.New(query.ReplaceAllString(m.Error.Message, "$1…"))
		}
		if layers.add(m) && hear != nil {
			hear(layers.sum())
		}
	}
}

// query finds what follows the question mark of a URL: registries send engines on to
// stores by URLs that are signed there, and whoever has one may fetch with it.
var query = regexp.MustCompile(`(https?://[^\s"?]+\?)[^\s"]+`)

// tally is how far the layers of a pull are, by what the engine calls them.
type tally map[string]*layerTally

type layerTally struct {
	// before came before the engine lost the connection and went on from there: it
	// begins to count anew then.
	before, done, of int64
}

// add takes a message in, and tells whether it was about what has come.
func (t tally) add(m pullMessage) bool {
	d := m.Detail
	if d.Units != "" || d.Total <= 0 {
		return false
	}
	l := t[m.ID]
	if l == nil {
		l = &layerTally{}
		t[m.ID] = l
	}
	switch m.Status {
	case "Downloading":
		if d.Current < l.done {
			l.before += l.done
		}
		l.done, l.of = d.Current, d.Total
	case "Extracting":
		// The last word about the download may have been dropped in favour of this one,
		// which counts the same bytes. It is said only of what came in this pull.
		if l.before+l.done >= d.Total {
			return false
		}
		l.before, l.done, l.of = 0, d.Total, d.Total
	default:
		return false
	}
	return true
}

func (t tally) sum() (done, of core.Size) {
	for _, l := range t {
		done += core.Size(l.before + l.done)
		of += core.Size(l.before + l.of)
	}
	return done, of
}

// progress puts off the end of a stream whenever something is read from it.
type progress struct {
	io.Reader
	stall *time.Timer
	most  time.Duration
}

func (p *progress) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	if n > 0 {
		p.stall.Reset(p.most)
	}
	return n, err
}
