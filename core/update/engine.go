package update

import (
	"context"
	"errors"
	"time"

	"github.com/refit-dev/refit/core"
)

// Engine is what a replacement needs of a container engine. core/docker is the
// real one, core/coretest has one in memory; both pass coretest's conformance suite.
//
// An error means that the call may or may not have had its effect: whoever goes
// on afterwards looks first.
type Engine interface {
	Census
	Observer
	Defaulter
	Previewer
	Builder
	Runner
	Registrar
	Images
	Tags
}

// Census tells what there is.
type Census interface {
	// Containers returns every container of the engine, running or not. One
	// that vanishes while it is being looked at is left out.
	Containers(ctx context.Context) ([]core.Container, error)
}

// Observer looks at one container.
type Observer interface {
	// Look finds a container by its exact name or its full id. The zero Status,
	// without an error, means that there is none.
	Look(ctx context.Context, nameOrID string) (core.Status, error)
	// Logs returns the last lines that the container wrote, oldest first, at
	// most that many, each cut to 1 KiB.
	Logs(ctx context.Context, id string, lines int) ([]string, error)
	// Signalled tells whether somebody sent the container a signal since that
	// time, by the engine's clock: a person, or an engine that shuts down. A
	// container that ended by itself was sent none.
	Signalled(ctx context.Context, id string, since time.Time) (bool, error)
}

// Defaulter tells what containers have from their images.
type Defaulter interface {
	// Defaults returns what an image on the engine says where a user said nothing.
	// The zero Defaults, without an error, means that there is no such image, or that
	// the engine cannot tell.
	Defaults(ctx context.Context, imageID string) (core.Defaults, error)
}

// Previewer tells beforehand what an update would change in a container's settings.
type Previewer interface {
	// Preview returns which of the container's settings another image would change, in
	// an order that is always the same. What the container itself says is overridden by
	// no image and shows nowhere. Next is what the other image says; known is
	// Snapshot's.
	Preview(ctx context.Context, id string, known, next core.Defaults) ([]core.Change, error)
}

// Builder makes a successor that has its predecessor's settings.
type Builder interface {
	// Snapshot writes down everything about a container and its image that a
	// faithful copy needs. Known is what is remembered of the image: it counts only
	// where the engine does not have the image any more. Where nothing is known of
	// the image Snapshot fails.
	Snapshot(ctx context.Context, id string, known core.Defaults) (core.Snapshot, error)
	// Create makes the container that d describes and connects its networks.
	// It does not start it. Where the name is taken the error answers
	// NameTaken() with true. Where it fails half-way nothing is left under the name.
	Create(ctx context.Context, d core.Draft) (id string, err error)
	// Differences compares the settings of a container with those that d asks for,
	// of which it needs From, Replaced and Says only. What the two images' own defaults
	// explain is no difference, and neither is core.MarkLabel. Each line names one
	// field; none shows a value of the environment.
	Differences(ctx context.Context, d core.Draft, id string) ([]string, error)
}

// Runner starts, pauses, stops and removes.
type Runner interface {
	// Start starts a container. Starting one that runs is no error.
	Start(ctx context.Context, id string) error
	// Pause stops the processes of a running container for a while. Pausing one that
	// is paused is no error. A paused container can be stopped.
	Pause(ctx context.Context, id string) error
	// Stop asks the container to end with signal ("" for its own) and waits at
	// most grace (0 for its own) before killing it. Stopping a container that has
	// stopped, or is gone, is no error.
	Stop(ctx context.Context, id, signal string, grace time.Duration) error
	// Remove removes a stopped container, and with it the anonymous volumes
	// that the engine made for it if volumes is true. It is no error if it is gone;
	// a removal that is already in progress is waited for.
	Remove(ctx context.Context, id string, volumes bool) error
}

// Registrar changes what the engine has on record about a container.
type Registrar interface {
	// Rename gives the container a name. Where it is taken the error answers
	// NameTaken() with true. Giving it the name that it has is no error.
	Rename(ctx context.Context, id, name string) error
	// SetRestartPolicy works on running, stopped and created containers.
	SetRestartPolicy(ctx context.Context, id string, p core.RestartPolicy) error
}

// Images fetches and removes images.
type Images interface {
	// Pull fetches repository@digest for the image's platform, without moving
	// any tag, and returns the id of the local image. While it runs hear is told, now
	// and then and never twice at a time, how many bytes have come over the network, of
	// how many as far as is known, layers that are there already left out; nil is
	// nobody. Its error answers Reason() core.Reason where the registry gave one, and
	// Temporary() with true where the same may succeed a moment later.
	Pull(ctx context.Context, image core.Image, hear func(done, of core.Size)) (id string, err error)
	// RemoveImage removes an image that has no tag and that no container uses,
	// and tells whether it did. An image that is still used stays: no error.
	RemoveImage(ctx context.Context, id string) (removed bool, err error)
}

// Tags moves the engine's local tags. A reference is text: "nginx:1".
type Tags interface {
	// Resolve returns the id of the image that the reference names on the
	// engine, "" if there is none.
	Resolve(ctx context.Context, reference string) (id string, err error)
	// Tag points the reference to the image, wherever it pointed before.
	Tag(ctx context.Context, id, reference string) error
	// Untag removes a reference. It is no error if it is gone. It never removes
	// the last name of an image that no container uses: such a tag is an error.
	Untag(ctx context.Context, reference string) error
	// TagsOf returns the tags of a repository: reference → image id.
	TagsOf(ctx context.Context, repository string) (map[string]string, error)
}

// Checker asks what references stand for now.
type Checker interface {
	// Check answers every query, each with a digest or with a fault; it has no
	// error of its own. The queries are asked at the same time.
	Check(ctx context.Context, queries []core.Query) map[core.Query]core.Answer
}

// Storage is what an engine may be able to tell of the room for images. It is looked
// for in Engine.
type Storage interface {
	// Free returns how much room there is where the engine keeps its images. Its error
	// says why that cannot be known.
	Free(ctx context.Context) (core.Size, error)
	// LayerIDs returns the diff ids of all layers of the engine's images.
	LayerIDs(ctx context.Context) (map[string]bool, error)
}

// Sizer is what a registry may be able to tell of an image's size. It is looked for
// in Reader.
type Sizer interface {
	// Layers returns the layers of the image of a digest, for its platform. It costs
	// requests. The error answers Reason() core.Reason.
	Layers(ctx context.Context, image core.Image) ([]core.Layer, error)
}

// Screen shows the pulls while they run. Calls may come at the same time.
type Screen interface {
	// Pulling shows how far the pull of an image is; of is 0 where that is not known.
	Pulling(image core.Image, done, of core.Size)
	// Pulled ends that, however the pull has ended.
	Pulled(image core.Image)
}

// Reader tells what images say that an engine does not have.
type Reader interface {
	// Config returns what the image of a digest says, for its platform, without its
	// being pulled. The error answers Reason() core.Reason.
	Config(ctx context.Context, image core.Image) (core.Defaults, error)
}

// Journal keeps the attempts in flight, what became of them, and what images said.
// core/ledger is the real one.
type Journal interface {
	Memory
	// Save writes the attempt, synced to the disk when it returns. An attempt
	// of the same id is replaced.
	Save(ctx context.Context, a core.Attempt) error
	// Record writes how an attempt ended into the history, keeps its lesson and
	// forgets the attempt, all of it or nothing. A success ends what was learned
	// of that container alone.
	Record(ctx context.Context, e core.Entry) error
	// Attempts returns those in flight, oldest first.
	Attempts(ctx context.Context) ([]core.Attempt, error)
	// Lessons returns what earlier attempts taught.
	Lessons(ctx context.Context) ([]core.Lesson, error)
}

// Memory keeps the defaults of images, by image id, for the day on which an engine
// does not have the image of a container any more.
type Memory interface {
	// Recall returns the defaults of those of the images that are remembered.
	Recall(ctx context.Context, imageIDs []string) (map[string]core.Defaults, error)
	// Remember adds to what is remembered. Everything that is of none of the images
	// in use is forgotten.
	Remember(ctx context.Context, add map[string]core.Defaults, inUse []string) error
}

// Deputy sends a helper: a second Refit that replaces the container of this one, because
// nobody can see to his own stop and start.
type Deputy interface {
	// Send sees to it that a helper is at work, made from that image and otherwise with
	// this Refit's own settings, and returns when it has been started. Where there is one
	// already it does nothing. A helper takes the ledger's lock, recovers what is open,
	// and updates the container; it ends by itself.
	Send(ctx context.Context, imageID string) error
}

// Hooks are the plugins that run around a replacement. hooks/host is the real one.
type Hooks interface {
	// Describe says what each of the hooks is, or why it cannot be used. It has no
	// error of its own. What is known is not asked again while the plugin is the same.
	Describe(ctx context.Context, names []string) map[string]core.HookAnswer
	// Call runs one stage of one hook, within the limits that the operator has set;
	// when ctx ends it is given up, and nothing of it runs any more when Call returns.
	// The error's text is for people. Calls may come at the same time.
	Call(ctx context.Context, c core.HookCall) (core.HookReply, error)
	// Rest ends what the calls have started. The next call starts it anew.
	Rest()
}

// temporary tells whether the same may succeed a moment later.
func temporary(err error) bool {
	var may interface{ Temporary() bool }
	return errors.As(err, &may) && may.Temporary()
}

// nameTaken tells whether the engine refused a name because it is in use.
func nameTaken(err error) bool {
	var taken interface{ NameTaken() bool }
	return errors.As(err, &taken) && taken.NameTaken()
}
