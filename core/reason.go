package core

// Code is the stable name of a reason: the same in the log, in check's output,
// in notifications and in the history.
type Code string

// Reasons for doing nothing, or something.
const (
	UpToDate    Code = "up-to-date"
	NewImage    Code = "new-image"
	AskedBack   Code = "asked-back" // a person wants the image before
	NotifyOnly  Code = "notify-only"
	NotEnabled  Code = "not-enabled"
	OtherScope  Code = "other-scope"
	NotNamed    Code = "not-named" // the command names other containers
	NotDue      Code = "not-due"
	NotRunning  Code = "not-running"
	Follows     Code = "follows" // it is replaced together with another
	PinnedImage Code = "pinned-by-digest"
	LocalImage  Code = "local-image"
)

// Reasons for holding a container back.
const (
	BadLabel        Code = "bad-label"
	BadReference    Code = "bad-reference"
	Unsupported     Code = "unsupported"
	DependencyHeld  Code = "dependency-held"
	DependencyCycle Code = "dependency-cycle"
	CanaryFailed    Code = "canary-failed"
	InReplacement   Code = "in-replacement"
	Quarantined     Code = "quarantined"
	BackingOff      Code = "backing-off"
)

// Reasons that a registry gives.
const (
	RegistryUnreachable Code = "registry-unreachable"
	RateLimited         Code = "rate-limited"
	Unauthorized        Code = "unauthorized"
	NotFound            Code = "not-found"
	PlatformGone        Code = "platform-gone"
	RegistryError       Code = "registry-error" // any other answer
	BadCredentials      Code = "bad-credentials"
)

// Reasons that appear while a replacement runs.
const (
	PullFailed          Code = "pull-failed"
	NoSpace             Code = "no-space" // for the image, where the engine keeps them
	NameTaken           Code = "name-taken"
	InProgressElsewhere Code = "in-progress-elsewhere"
	CreateFailed        Code = "create-failed"
	SettingsDiffer      Code = "settings-differ"
	ChangedMeanwhile    Code = "changed-meanwhile"
	StopFailed          Code = "stop-failed"
	StartFailed         Code = "start-failed"
	GateFailed          Code = "gate-failed"
	Cancelled           Code = "cancelled"
	EngineFailed        Code = "engine-failed"
	LedgerFailed        Code = "ledger-failed"
	Interrupted         Code = "interrupted"
	HandedOver          Code = "handed-over" // a helper replaces Refit itself
	Stranger            Code = "stranger"
	Foreign             Code = "foreign"
	MemberFailed        Code = "member-failed" // another one of its group
	Panicked            Code = "panicked"      // a mistake of ours
)

// Reasons that have to do with hooks.
const (
	HookMissing      Code = "hook-missing"       // it is not installed
	HookUnusable     Code = "hook-unusable"      // it is, and must not or cannot be used
	HookFailed       Code = "hook-failed"        // before the new container ran
	HookVetoed       Code = "hook-vetoed"        // this image, for this container
	HookDeferred     Code = "hook-deferred"      // not now
	PostUpdateFailed Code = "post-update-failed" // counts as a failed gate
)

// Reason says why: a code for programs and a sentence for people. The sentence
// never holds a credential.
type Reason struct {
	Code Code   `json:"code"`
	Text string `json:"text"`
}

func (r Reason) String() string {
	if r.Text == "" {
		return string(r.Code)
	}
	return string(r.Code) + ": " + r.Text
}
