package ledger_test

import (
	"testing"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/notify/notifytest"
)

func TestTheLedgerIsAnOutbox(t *testing.T) {
	t.Parallel()
	notifytest.Conformance(t, func(t *testing.T) notifytest.Subject {
		l := open(t, t.TempDir())
		return notifytest.Subject{Outbox: l, Record: func(r core.Result) {
			record(t, l, core.Entry{Attempt: r.Name, Result: r})
		}}
	})
}
