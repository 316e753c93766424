.DEFAULT_GOAL := help
SHELL := bash
GO ?= go
export CGO_ENABLED = 0
RUNNER := internal/runner/embed/bin/penstock-runner
SEEDS ?= 1000

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9\/-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: $(RUNNER) ## bin/penstock, one static binary
	$(GO) build -trimpath -o bin/penstock ./cmd/penstock

$(RUNNER): $(shell find cmd/penstock-runner internal/runner -name '*.go' 2>/dev/null) go.mod
	@mkdir -p $(@D)
	$(GO) build -trimpath -ldflags='-s -w' -o $@ ./cmd/penstock-runner

demo: build ## the reference delivery: sets the machine up, delivers three commits, shows what happens
	bin/penstock demo

down: build ## removes everything that the demo made, and nothing else
	bin/penstock demo --down

test: build ## all tests: unit, simulation, packets, end to end (root; installs what they need)
	bin/penstock setup
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends postgresql; }
	$(GO) vet ./...
	$(GO) test -timeout 30m $$($(GO) list ./... | grep -v /test/e2e)
	$(GO) test -timeout 30m -v ./test/e2e

unit: ## the quick tests: no root, no Engine
	$(GO) test -short ./...

sim: ## every story with a crash after each commit and effect, then at random: make sim SEEDS=n
	$(GO) test -timeout 30m ./test/sim -every 1 -seeds $(SEEDS)

race: ## the quick tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -short -race ./internal/store/... ./internal/engine/... ./internal/dispatch/... ./internal/dataplane/...

bench: build ## what this machine gives, each figure beside its floor and its goal (root; after bin/penstock setup)
	bin/penstock bench

gen: ## api/ and docs/parity.md from AWS's service models
	gen/make.sh

lint: ## gofmt and go vet
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...

run: build ## a server on loopback
	bin/penstock serve

.PHONY: help build demo down test unit sim race bench gen lint run
