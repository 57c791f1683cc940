package notify

import (
	"time"

	"github.com/refit-dev/refit/core"
)

// sampleTime is when the samples happened.
var sampleTime = time.Date(2026, 5, 3, 4, 0, 12, 0, time.UTC)

// Sample returns what a report of that kind may hold: for a preview, and to try a
// template with. It is empty for a kind that does not exist.
func Sample(k core.NoticeKind) []core.Notice {
	fill, there := samples[k]
	if !there {
		return nil
	}
	n := core.Notice{Kind: k, At: sampleTime}
	fill(&n)
	return []core.Notice{n}
}

var samples = map[core.NoticeKind]func(*core.Notice){
	core.NoticeStarted: func(n *core.Notice) {
		n.Watched, n.All, n.Next = 3, 12, sampleTime.Add(24*time.Hour)
	},
	core.NoticeAvailable: func(n *core.Notice) {
		ofShop(n)
		n.To.ID, n.ToVersion = "", core.Version{} // it was not pulled
		n.Reason = core.Reason{Code: core.NotifyOnly, Text: "shop:1 is now 8e3a5b9cd072, and its mode is notify"}
	},
	core.NoticeUpdated: func(n *core.Notice) {
		ofShop(n)
		n.Reason = core.Reason{Code: core.NewImage, Text: "shop:1 is now 8e3a5b9cd072"}
		n.Downtime = 420 * time.Millisecond
		n.Pull = core.Transfer{Bytes: 40_100_000, Took: 3200 * time.Millisecond}
		n.Hooks = []core.HookReport{{Hook: "backup", Stage: core.PreRecreate, Took: 3 * time.Second}}
	},
	core.NoticeFollowed: func(n *core.Notice) {
		n.Container, n.From, n.To = "shop", shopBefore, shopBefore
		n.Reason = core.Reason{Code: core.Follows, Text: "it was restarted after db"}
		n.Downtime = 420 * time.Millisecond
	},
	core.NoticeDeferred: func(n *core.Notice) {
		ofShop(n)
		n.Reason = core.Reason{Code: core.HookDeferred, Text: "hook window puts it off: there are 12 orders in work"}
		n.RetryAt = sampleTime.Add(90 * time.Minute)
		n.Hooks = []core.HookReport{{Hook: "window", Stage: core.PreUpdate, Took: 40 * time.Millisecond}}
	},
	core.NoticeHeld: func(n *core.Notice) {
		n.Container, n.From = "shop", shopBefore
		n.Reason = core.Reason{Code: core.BadLabel, Text: `refit.gate-timout="5m" is no label of Refit's: did you mean refit.gate-timeout?`}
	},
	core.NoticeRolledBack: func(n *core.Notice) {
		ofShop(n)
		exit := 1
		n.Reason = core.Reason{Code: core.GateFailed, Text: "the new container ended with exit code 1 after 2.1 s"}
		n.Downtime = 12300 * time.Millisecond
		n.Evidence = &core.Evidence{
			ExitCode: &exit, HealthOutput: "curl: (7) Failed to connect to localhost port 8080",
			Logs: []string{"shop 1.4.3 starts", "reading /etc/shop.toml", "connecting to db:5432", `error: relation "orders" does not exist`},
		}
		n.Hooks = []core.HookReport{
			{Hook: "backup", Stage: core.PreRecreate, Took: 3 * time.Second},
			{Hook: "backup", Stage: core.OnRollback, Took: 2 * time.Second},
		}
	},
	core.NoticeFailed: func(n *core.Notice) {
		ofShop(n)
		n.Reason = core.Reason{Code: core.EngineFailed, Text: "start the new container: the engine does not answer"}
		n.Notes = []string{"the rollback is not complete, Refit will try again: the engine does not answer"}
	},
	core.NoticeDown: func(n *core.Notice) {
		ofShop(n)
		exit := 137
		n.Reason = core.Reason{Code: core.GateFailed, Text: "the new container was killed for want of memory"}
		n.Evidence = &core.Evidence{ExitCode: &exit, OOMKilled: true, Logs: []string{"shop 1.4.3 starts", "warming the cache"}}
		n.Notes = []string{
			"the old container does not start either: driver failed programming external connectivity: port is already allocated",
			"look at it with: docker logs shop; start it with: docker start shop",
		}
	},
	core.NoticeRecovered: func(n *core.Notice) {
		ofShop(n)
		n.Reason = core.Reason{Code: core.Interrupted, Text: "an interrupted update was finished"}
		n.Downtime = 200 * time.Second
	},
	core.NoticeHookFailed: func(n *core.Notice) {
		ofShop(n)
		n.Hooks = []core.HookReport{{Hook: "backup", Stage: core.Finished, Took: time.Second, Fault: "remove old backups: no space left on device"}}
		n.Reason = core.Reason{Code: core.HookFailed, Text: faultText(n.Hooks[0])}
	},
	core.NoticeUndeliverable: func(n *core.Notice) {
		n.Reason = core.Reason{Code: "undeliverable", Text: "3 messages to channel ops were given up after 48 hours: the server does not answer"}
	},
}

var shopBefore = core.Image{
	Reference: core.Reference{Text: "shop:1", Repository: "docker.io/library/shop", Tag: "1"},
	Digest:    "sha256:4be429a5fbb2e71ae7958bfa558bc637cf3a61baf40a708cb8fff532b39e52d0",
	ID:        "sha256:0d493297b409bd35e4de8a1e4a1d3a5e0a76d1d2f37a5e6b7a1b4d0e1b8a6c11",
}

// ofShop makes the notice one about the container of the samples.
func ofShop(n *core.Notice) {
	n.Container, n.From, n.To = "shop", shopBefore, core.Image{
		Reference: shopBefore.Reference,
		Digest:    "sha256:8e3a5b9cd0720f2c49dc1d2aa2dcb4a3a4ecc3ce0a8d0f3b7d8a9cb0a6ce51d7",
		ID:        "sha256:b2d1f2c0a3f8c6de4b7fe04ad8a5a0a1f6c0b3d9e8b45a34aab1c4b7d1c7e999",
	}
	n.FromVersion = core.Version{Version: "1.4.2", Revision: "5b1c8a0f4d3e", Source: "https://example.com/acme/shop"}
	n.ToVersion = core.Version{Version: "1.4.3", Revision: "9d2e7c4b1a6f", Source: "https://example.com/acme/shop"}
}
