package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"
)

// relay hands requests on to the engine at a socket.
func relay(socket string) *httputil.ReverseProxy {
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "engine"}) },
		Transport:     &http.Transport{DialContext: dialling(socket)},
		FlushInterval: -1,
		// What does not reach the engine looks to refit as it would without us.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ErrorLog:     log.New(io.Discard, "", 0),
	}
}

// serveSocket serves a handler at a socket of its own, until the test ends. It returns
// the address for refit, "unix://…". Tune is called before it starts; nil changes nothing.
func serveSocket(t testing.TB, handler http.Handler, tune func(*http.Server)) string {
	t.Helper()
	// Not t.TempDir(): a socket's path has at most 107 bytes.
	dir, err := os.MkdirTemp("", "refit-p-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("tidy up: %v", err)
		}
	})
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if tune != nil {
		tune(server.Config)
	}
	server.Start()
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return "unix://" + listener.Addr().String()
}
