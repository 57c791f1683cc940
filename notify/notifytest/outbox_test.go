package notifytest_test

import (
	"testing"

	"github.com/refit-dev/refit/notify/notifytest"
)

func TestTheOutboxInMemoryConforms(t *testing.T) {
	t.Parallel()
	notifytest.Conformance(t, func(*testing.T) notifytest.Subject {
		box := &notifytest.Outbox{}
		return notifytest.Subject{Outbox: box, Record: box.Record}
	})
}
