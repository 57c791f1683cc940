# Everything here does its own set-up: where no Docker engine answers, one is
# installed and started on Debian as root; elsewhere one line says what is missing.

# For make bench: -only downtime, -short, -strict.
BENCH   ?=
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
REVISION := $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
IMAGE   ?= refit:latest
NAME    ?= refit
LINT    := go tool -modfile=tools/go.mod golangci-lint

# Static, the same on every machine, and without what only a debugger needs.
BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.release=$(VERSION) -X main.revision=$(REVISION)'

.DEFAULT_GOAL := help
.PHONY: help run demo test test-engines podman torture fuzz bench bench-code image build release changelog lint fmt docs tidy proto figures engine clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: image ## build the image, start the sidecar on this machine's engine, show its log
	@IMAGE='$(IMAGE)' NAME='$(NAME)' sh .ci/sidecar

demo: engine build ## the whole job in under a minute, with throw-away parts that it removes again
	@bash .ci/demo

test: engine ## go vet and every test, those that need an engine included
	go vet ./...
	@REFIT_COMPOSE="$${REFIT_COMPOSE:-$$(.ci/engines compose)}" \
		go test -json -count=1 -timeout 20m ./... ./.ci/report ./.ci/bench ./.ci/image | go run ./.ci/report tests

test-engines: engine ## the tests that use an engine, on a newer one beside this machine's: Debian sid's
	@sh .ci/test-engines

podman: build ## a smoke test on Podman's Docker API, of a Podman of its own; needs root, podman and docker
	@bash .ci/podman

torture: engine build ## everything that can go wrong, at every call, on a real engine, and copies of thousands of containers: two hours
	REFIT_TORTURE=full go test ./core/update -run EveryFault -count=1 -v -timeout 60m
	REFIT_TORTURE=full REFIT_ENGINE=required go test ./core/docker -run '^TestRoundTrip$$' -count=1 -v -timeout 90m
	REFIT_TORTURE=full REFIT_ENGINE=required go test ./cmd/refit -run 'Torture|StartFirst' -count=1 -v -timeout 60m

fuzz: ## run every fuzz target for FUZZTIME (10s)
	@sh .ci/fuzz

bench: engine build ## measure what docs/design.md promises to hold, and write docs/benchmarks.md: twelve minutes, on a machine that does nothing else
	go build -o dist/bench ./.ci/bench
	@dist/bench $(BENCH)

image: engine build ## build the image (IMAGE=refit:latest)
	@install -d dist/image && install -d -m 1777 dist/image/data
	docker build --quiet --tag '$(IMAGE)' .

build: ## build the static binaries: dist/refit, dist/fixture
	$(BUILD) -o dist/refit ./cmd/refit
	$(BUILD) -o dist/fixture ./cmd/fixture

release: engine ## build the archives, images and checksums of a release: dist/release. VERSION=v1.0.0 names it
	@bash .ci/release

changelog: ## print CHANGELOG.md, from docs/changelog
	@sh .ci/changelog

lint: ## golangci-lint, at the version that tools/go.mod pins
	$(LINT) run ./... ./.ci/report ./.ci/bench ./.ci/image
	cd plugins/example && go tool -modfile=../../tools/go.mod golangci-lint run -c ../../.golangci.yml ./...

fmt: ## format the code as the linter wants it
	$(LINT) fmt ./... ./.ci/report ./.ci/bench ./.ci/image

docs: ## make the generated pages anew: docs/labels.md, docs/flags.md, tables of docs/hooks.md, docs/notifications.md, docs/security.md and docs/migrating.md
	go test ./core -run '^TestLabelsPage$$' -count=1 -update
	go test ./cmd/refit -run '^(TestFlagsPage|TestHooksPage|TestSecurityPage|TestMigratingPage)$$' -count=1 -update
	go test ./notify -run '^TestNotificationsPage$$' -count=1 -update

tidy: ## go mod tidy, for the example outside the module as well
	go mod tidy
	cd plugins/example && go mod tidy

proto: ## make the code of hooks/proto/hooks.proto anew; needs protoc (Debian's protobuf-compiler)
	@mkdir -p dist/protoc
	cd tools && go build -o ../dist/protoc/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
	PATH="$$PWD/dist/protoc:$$PATH" protoc --go_out=. --go_opt=module=github.com/refit-dev/refit \
		--go-grpc_out=. --go-grpc_opt=module=github.com/refit-dev/refit hooks/proto/hooks.proto

bench-code: ## Go benchmarks of plan, labels, schedules, listing, cloning, six rounds, for benchstat: make -s bench-code > new.txt
	@go test -run '^$$' -bench . -benchmem -count 6 ./core ./core/schedule ./core/loop ./core/docker

figures: build ## lines of code and of tests, the longest function, the size of the binary
	@go run ./.ci/report code dist/refit

engine:
	@sh .ci/engine

clean: ## remove what was built; containers, images and volumes stay
	rm -rf dist
