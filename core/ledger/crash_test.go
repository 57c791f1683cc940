package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/refit-dev/refit/core"
	"github.com/refit-dev/refit/core/ledger"
)

// roles are what this binary does when a test starts it as a second process.
var roles = map[string]func(dir string) error{
	"save until killed":    saveUntilKilled,
	"save until disk full": saveUntilDiskFull,
	"hold the lock":        holdTheLock,
	"hold the file":        holdTheFile,
}

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv("REFIT_LEDGER_ROLE")]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(os.Getenv("REFIT_LEDGER_DIR")); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func saveUntilKilled(dir string) error {
	l, err := ledger.Open(dir)
	for n := 0; err == nil; n++ {
		if err = l.Save(context.Background(), attempt(n)); err == nil {
			fmt.Println(attempt(n).ID)
		}
	}
	return err
}

// saveUntilDiskFull meets the limit of a file's size where a full disk would
// refuse to write: the kernel's answer is an error of write either way.
func saveUntilDiskFull(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	const limit = 64 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	l, err := ledger.Open(dir)
	for n := 0; err == nil && n < 1000; n++ {
		a := attempt(n)
		a.Snapshot = core.Snapshot(`"` + strings.Repeat("x", 4000) + `"`)
		if err = l.Save(context.Background(), a); err == nil {
			fmt.Println(a.ID)
		}
	}
	return err
}

func holdTheLock(dir string) error {
	unlock, err := ledger.At(dir).Lock(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("locked")
	time.Sleep(time.Hour) // it is killed
	return unlock()
}

func holdTheFile(dir string) error {
	f, err := os.Open(filepath.Join(dir, "refit.db"))
	if err != nil {
		return err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	fmt.Println("held")
	time.Sleep(time.Hour) // it is killed
	return f.Close()
}

// second starts this binary in a role. It is killed at the test's end.
func second(t *testing.T, role, dir string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "REFIT_LEDGER_ROLE="+role, "REFIT_LEDGER_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd, bufio.NewScanner(out)
}

func TestAKilledWriterKeepsEverySaveThatReturned(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		dir := t.TempDir()
		acknowledged := killWriter(t, dir, 20+7*round)
		if len(acknowledged) < 20 {
			t.Fatalf("the writer saved %d attempts, want more", len(acknowledged))
		}
		all, err := open(t, dir).Attempts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range all {
			delete(acknowledged, a.ID)
		}
		if len(acknowledged) > 0 {
			t.Errorf("lost: %v", acknowledged)
		}
	}
}

// killWriter kills a second process in the middle of its saves, after some of
// them, and returns the ids of those that it knows to be saved.
func killWriter(t *testing.T, dir string, after int) map[string]bool {
	t.Helper()
	writer, out := second(t, "save until killed", dir)
	acknowledged := map[string]bool{}
	for len(acknowledged) < after && out.Scan() {
		acknowledged[out.Text()] = true
		if len(acknowledged)%10 != 0 {
			continue
		}
		if _, err := ledger.At(dir).Attempts(t.Context()); err != nil {
			t.Errorf("read beside the writer: %v", err)
		}
	}
	if err := writer.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for out.Scan() { // what it said before it died counts as well
		acknowledged[out.Text()] = true
	}
	return acknowledged
}

func TestAFullDiskIsAnErrorAndLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, out := second(t, "save until disk full", dir)
	saved, said := 0, ""
	for out.Scan() {
		if strings.HasPrefix(out.Text(), "error:") {
			said = out.Text()
			continue
		}
		saved++
	}
	if saved == 0 || !strings.Contains(said, "refit.db") || !strings.Contains(said, "file too large") {
		t.Fatalf("after %d attempts it said %q, want an error of the write that names the file", saved, said)
	}
	l := open(t, dir)
	all, err := l.Attempts(t.Context())
	if err != nil || len(all) != saved {
		t.Errorf("got %d attempts and error %v, want the %d that were saved", len(all), err, saved)
	}
	save(t, l, attempt(5000))
}

func TestLockNamesTheOtherProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	holder, out := second(t, "hold the lock", dir)
	if !out.Scan() || out.Text() != "locked" {
		t.Fatalf("the second process says %q", out.Text())
	}
	_, err := l.Lock(t.Context())
	want := fmt.Sprintf("another refit (pid %d) is changing containers with this ledger", holder.Process.Pid)
	if err == nil || err.Error() != want {
		t.Errorf("got error %v, want %q", err, want)
	}
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = holder.Wait() // it was killed, and says so
	unlock, err := l.Lock(t.Context())
	if err != nil {
		t.Fatalf("after the other one's death: %v", err)
	}
	if _, err := open(t, dir).Lock(t.Context()); err == nil {
		t.Error("two in one process hold the lock")
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Lock(t.Context()); err != nil {
		t.Errorf("after unlock: %v", err)
	}
}

func TestAFileThatIsHeldIsGivenUpAfterAWhile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	_, out := second(t, "hold the file", dir)
	if !out.Scan() {
		t.Fatal("the second process did not get the file")
	}
	err := l.Save(t.Context(), attempt(1))
	if err == nil || !strings.Contains(err.Error(), "refit.db has been in use by another process for 5s") {
		t.Errorf("got error %v, want one that says that the file is in use", err)
	}
}

func TestAlive(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l := open(t, dir)
	until := time.Date(2026, 11, 22, 4, 0, 0, 123, time.UTC)
	for range 2 {
		until = until.Add(time.Minute)
		want := ledger.Life{Until: until, By: "abc", Aside: true}
		if err := l.Beat(want); err != nil {
			t.Fatal(err)
		}
		if got, err := ledger.At(dir).LastBeat(); err != nil || got != want {
			t.Errorf("got %v and error %v, want %v", got, err, want)
		}
	}
	write(t, filepath.Join(dir, "refit.alive"), []byte{0xff, 0})
	if _, err := l.LastBeat(); err == nil || !strings.Contains(err.Error(), "refit.alive does not hold one") {
		t.Errorf("got error %v, want one that names the file", err)
	}
	if err := ledger.At("/proc/self").Beat(ledger.Life{Until: until}); err == nil {
		t.Error("a sign of life was given where nothing can be written")
	}
}

// healthy returns the bytes of a ledger with some records in it.
func healthy(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	l, err := ledger.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := l.Save(t.Context(), attempt(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.SetLastRuns(t.Context(), map[string]time.Time{"web": time.Now()}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(dir, "refit.db"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// poke uses every part of a ledger. A damaged one answers with errors, and no
// error shows what is in it.
func poke(t *testing.T, dir string) {
	t.Helper()
	ctx := t.Context()
	var errs []error
	try := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	_, err := ledger.Open(dir)
	try(err)
	l := ledger.At(dir)
	_, err = l.Attempts(ctx)
	try(err)
	_, err = l.LastRuns(ctx)
	try(err)
	try(l.SetLastRuns(ctx, map[string]time.Time{"web": time.Now(), "db": {}}))
	try(l.Save(ctx, attempt(1)))
	try(l.Record(ctx, core.Entry{Attempt: attempt(2).ID}))
	for _, err := range errs {
		if !strings.Contains(err.Error(), "refit.db") {
			t.Errorf("the error %q does not name the file", err)
		}
		if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "in use by another process") {
			t.Errorf("the error %q shows what is in the file, or comes from a lock that was kept", err)
		}
	}
}

func TestACutFileIsAnError(t *testing.T) {
	t.Parallel()
	content := healthy(t)
	for size := 1; size < len(content); size += 1021 {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "refit.db"), content[:size])
		poke(t, dir)
	}
}

// FuzzDamagedFile does to the file what disks and people do: it holds something
// else, it is cut off, or a sector of it is zero, noise or another sector.
func FuzzDamagedFile(f *testing.F) {
	content := healthy(f)
	const sector = 512
	f.Add([]byte("garbage"), uint16(0), uint64(0))
	f.Add([]byte{}, uint16(0), uint64(0))
	f.Add(content, uint16(0), uint64(0))
	for at := range len(content) / sector {
		f.Add([]byte(nil), uint16(at), uint64(0))
		f.Add([]byte(nil), uint16(at), uint64(1))
		f.Add([]byte(nil), uint16(at), uint64(at+sector))
	}
	f.Fuzz(func(t *testing.T, whole []byte, at uint16, seed uint64) {
		file := whole
		if len(whole) == 0 {
			file = bytes.Clone(content)
			sectors := slices.Collect(slices.Chunk(file, sector))
			victim := sectors[int(at)%len(sectors)]
			switch noise := rand.New(rand.NewPCG(seed, seed)); {
			case seed == 0:
				clear(victim)
			case seed%2 == 0:
				copy(victim, sectors[noise.IntN(len(sectors))])
			default:
				for i := range victim {
					victim[i] = byte(noise.Uint32())
				}
			}
		}
		dir := t.TempDir()
		write(t, filepath.Join(dir, "refit.db"), file)
		poke(t, dir)
	})
}
