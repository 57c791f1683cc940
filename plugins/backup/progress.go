package backup

import (
	"fmt"
	"time"
)

// sayer takes how far something is, in bytes; a total of 0 is not known.
type sayer func(text string, done, total int64)

// often is how often people are told how far it is.
const often = 500 * time.Millisecond

// meter counts bytes and tells, not too often. What is written to it is counted.
type meter struct {
	say         sayer
	text        string
	done, total int64
	last        time.Time
}

func newMeter(say sayer, text string, total int64) *meter {
	m := &meter{say: say, text: text, total: total}
	m.add(0)
	return m
}

func (m *meter) Write(p []byte) (int, error) {
	m.add(int64(len(p)))
	return len(p), nil
}

func (m *meter) add(n int64) {
	m.done += n
	if now := time.Now(); m.say != nil && now.Sub(m.last) >= often {
		m.last = now
		m.say(m.text, m.done, m.total)
	}
}

// size writes a number of bytes for people.
func size(n int64) string {
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/1000, 0
	for ; f >= 999.95 && i < len(units)-1; i++ {
		f /= 1000
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
