package main

import (
	"context"
	"errors"

	"github.com/refit-dev/refit/core"
)

// What follows is replaced when the adapters are here.

var errPending = errors.New("is not wired yet")

const oldestAPI, newestAPI = "1.40", "1.51"

type harbour struct{}

func (h *harbour) close()                                            {}
func (h *harbour) plan(context.Context, []string) (core.Plan, error) { return core.Plan{}, errPending }
func (p *program) connect(context.Context) (*harbour, error)         { return nil, errPending }
func (p *program) warn()                                             {}
func (p *program) times(core.Policy) []string                        { return nil }
func runUpdate(context.Context, *program) (int, error)               { return 0, errPending }
func runSidecar(context.Context, *program) (int, error)              { return 0, errPending }
func runHealth(context.Context, *program) (int, error)               { return 0, errPending }
func runRecover(context.Context, *program) (int, error)              { return 0, errPending }
