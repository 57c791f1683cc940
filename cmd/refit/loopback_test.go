package main

import "testing"

func TestRegistriesThatAreOnTheLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:5000": true, "[::1]:5000": true,
		"docker.io": false, "localhost.example:5000": false, "10.0.0.1:5000": false,
	} {
		if got := onLoopback(host); got != want {
			t.Errorf("%s: %t, want %t", host, got, want)
		}
	}
}
