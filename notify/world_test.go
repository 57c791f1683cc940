package notify_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/refit-dev/refit/notify"
)

// jobsVariable makes a child of this test binary send what its value says, and
// print what came of it: proxy and authorities belong to a whole process.
const jobsVariable = "REFIT_TEST_NOTIFY_JOBS"

// job is one message that the child is to send, and outcome what came of it.
type job struct {
	Name    string
	URL     string
	Message notify.Message
	Timeout time.Duration // 20 s if it is 0
	// Repeat sends it so many times more.
	Repeat int
	// All lets the channel be parsed, well and wrongly, and a postman deliver, and
	// prints all that they say.
	All bool
}

type outcome struct {
	Name, Error string
	RetryAfter  time.Duration
	Permanent   bool
}

// TestInAnotherProcess is the child. Started by itself it has nothing to do.
func TestInAnotherProcess(t *testing.T) {
	t.Parallel()
	var jobs []job
	if err := json.Unmarshal([]byte(os.Getenv(jobsVariable)), &jobs); err != nil {
		return
	}
	out := json.NewEncoder(os.Stdout)
	before := countLeft()
	for _, j := range jobs {
		if j.All {
			j.sayAll(t)
		}
		o := j.do(t.Context())
		for range j.Repeat {
			o = j.do(t.Context())
		}
		fmt.Println() // some of shoutrrr's services print
		if err := out.Encode(o); err != nil {
			t.Fatal(err)
		}
	}
	if slices.ContainsFunc(jobs, func(j job) bool { return j.Repeat > 0 }) {
		sayLeft(before)
	}
}

// left is what a process holds on to.
type left struct{ Goroutines, Files int }

// someFiles are opened at the first use, for good: the poller's.
const someFiles = 4

func countLeft() left {
	files, _ := os.ReadDir("/proc/self/fd")
	return left{Goroutines: runtime.NumGoroutine(), Files: len(files)}
}

// sayLeft prints what is left, once that has come down to what was there before, or
// did not in time. The collector closes the connections that shoutrrr's mail service
// forgets.
func sayLeft(before left) {
	after := countLeft()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); after = countLeft() {
		if after.Goroutines <= before.Goroutines && after.Files <= before.Files+someFiles {
			break
		}
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	text, _ := json.Marshal(map[string]left{"before": before, "after": after})
	fmt.Printf("\nleft %s\n", text)
}

func (j job) do(ctx context.Context) outcome {
	if j.Timeout == 0 {
		j.Timeout = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, j.Timeout)
	defer cancel()
	o := outcome{Name: j.Name}
	sender, err := notify.NewSender(notify.Channel{Name: "test", URL: j.URL})
	if err == nil {
		err = sender.Send(ctx, j.Message)
	}
	if err == nil {
		return o
	}
	o.Error = err.Error()
	var asked interface{ RetryAfter() time.Duration }
	if errors.As(err, &asked) {
		o.RetryAfter = asked.RetryAfter()
	}
	var final interface{ Permanent() bool }
	o.Permanent = errors.As(err, &final) && final.Permanent()
	return o
}

// world is a net of our own: every TLS connection to any host ends at a server of
// the test, which has a certificate for it.
type world struct {
	dir    string
	ca     *x509.Certificate
	key    *ecdsa.PrivateKey
	proxy  string
	output string // all that the child has printed

	mu    sync.Mutex
	hosts map[string]http.Handler
	certs map[string]*tls.Certificate
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), hosts: map[string]http.Handler{}, certs: map[string]*tls.Certificate{}}
	w.ca, w.key = newAuthority(t)
	file := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.Raw})
	if err := os.WriteFile(filepath.Join(w.dir, "ca.pem"), file, 0o600); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy := &http.Server{Handler: http.HandlerFunc(w.connect), ReadHeaderTimeout: time.Minute}
	var serving sync.WaitGroup
	serving.Go(func() { _ = proxy.Serve(listener) })
	t.Cleanup(func() {
		_ = proxy.Close()
		serving.Wait()
	})
	w.proxy = listener.Addr().String()
	return w
}

func newAuthority(t *testing.T) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "A test's authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return ca, key
}

// certificate makes one for a host, by the world's authority, or by itself alone
// for hosts that begin with "untrusted".
func (w *world) certificate(host string) (*tls.Certificate, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if made := w.certs[host]; made != nil {
		return made, nil
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{host},
	}
	parent := w.ca
	if strings.HasPrefix(host, "untrusted") {
		parent = template
	}
	if strings.HasPrefix(host, "expired") {
		template.NotAfter = time.Now().Add(-time.Minute)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &w.key.PublicKey, w.key)
	if err != nil {
		return nil, err
	}
	w.certs[host] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: w.key}
	return w.certs[host], nil
}

// connect is the proxy: it ends the TLS connection to whatever host itself.
func (w *world) connect(rw http.ResponseWriter, r *http.Request) {
	host, _, err := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || err != nil {
		http.Error(rw, "a proxy for TLS alone", http.StatusBadRequest)
		return
	}
	w.mu.Lock()
	handler := w.hosts[host]
	if handler == nil {
		handler = w.hosts["*"]
	}
	w.mu.Unlock()
	conn, _, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	if handler == nil {
		_, _ = conn.Write([]byte("HTTP/1.1 502 Bad Gateway\r\n\r\n"))
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 OK\r\n\r\n")); err != nil {
		return
	}
	secured := tls.Server(conn, &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return w.certificate(host) }})
	serveOne(secured, handler)
}

// serveOne answers the one request of a connection.
func serveOne(conn net.Conn, handler http.Handler) {
	defer func() { _ = conn.Close() }()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	answer := newAnswer()
	handler.ServeHTTP(answer, req)
	if answer.status == 0 { // the server hangs up
		return
	}
	answer.writeTo(conn)
}

// everywhere makes the handler answer for all hosts that have none; nil is nobody.
func (w *world) everywhere(handler http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts["*"] = handler
}

// send lets a child send the jobs, and returns what came of each.
func (w *world) send(t *testing.T, jobs []job) map[string]outcome {
	t.Helper()
	text, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestInAnotherProcess$")
	child.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "TMPDIR=" + w.dir, "GOCOVERDIR=" + w.dir, jobsVariable + "=" + string(text),
		"HTTPS_PROXY=http://" + w.proxy, "SSL_CERT_FILE=" + filepath.Join(w.dir, "ca.pem"), "SSL_CERT_DIR=" + w.dir,
	}
	printed, err := child.CombinedOutput()
	w.output = string(printed)
	if err != nil {
		t.Fatalf("%v\n%s", err, printed)
	}
	outcomes := map[string]outcome{}
	for line := range strings.Lines(w.output) {
		var o outcome
		if json.Unmarshal([]byte(line), &o) == nil {
			outcomes[o.Name] = o
		}
	}
	for _, j := range jobs {
		if _, tried := outcomes[j.Name]; !tried {
			t.Fatalf("%s was not tried:\n%s", j.Name, printed)
		}
	}
	return outcomes
}
