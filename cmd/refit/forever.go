package main

import (
	"context"
	"errors"
)

func (s *session) forever(context.Context) (int, error) { return 0, errors.New("the loop is not wired yet") }
