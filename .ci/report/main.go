// Command report prints the figures of a test run and of the code. It is part of
// the build and knows nothing of Refit.
//
//	go test -json ./... | go run ./.ci/report tests
//	go run ./.ci/report code [FILE…]    with the sizes of the files
package main

import (
	"fmt"
	"io"
	"os"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run returns 0 if all is well, 1 if tests failed or something could not be
// read, 2 for wrong usage.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	switch {
	case len(args) == 1 && args[0] == "tests":
		passed, err := tests(stdin, stdout)
		if err != nil {
			fmt.Fprintln(stderr, "report tests:", err)
		}
		if err != nil || !passed {
			return 1
		}
	case len(args) > 0 && args[0] == "code":
		if err := code(".", args[1:], stdout); err != nil {
			fmt.Fprintln(stderr, "report code:", err)
			return 1
		}
	default:
		fmt.Fprintln(stderr, "usage: report tests | report code [FILE…]")
		return 2
	}
	return 0
}
