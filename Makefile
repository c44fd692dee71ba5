# make lists what there is. Nothing but Go is needed for build, test and demo.

GO      ?= go
BIN     := bin
FUZZTIME ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build the programs into bin/
	$(GO) build -o $(BIN)/ ./cmd/...

.PHONY: demo
demo: ## a made-up reseller's months, run and issued into ./arrears-demo
	$(GO) run ./cmd/arrears demo

.PHONY: test
test: ## all tests that need nothing but Go; others skip, saying so (they fail with CI=true)
	$(GO) test ./...

.PHONY: check
check: fmt vet lint race ## what a change must pass before review: fmt, vet, lint, race

.PHONY: fmt
fmt: ## fail if a file is not formatted
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w"; exit 1; }

.PHONY: vet
vet:
	$(GO) vet ./...
	cd bench && $(GO) vet ./...

.PHONY: lint
lint: $(BIN)/golangci-lint ## golangci-lint with .golangci.yml
	$(BIN)/golangci-lint run ./...

# Tools have a module file of their own, so that the product's go.mod stays the product's.
$(BIN)/golangci-lint: go.tools.mod
	$(GO) build -modfile=go.tools.mod -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

# Packages with goroutines; elsewhere the race detector has nothing to find.
RACE := . ./store/... ./ingest/... ./aws/... ./cmd/...

.PHONY: race
race: ## tests of the packages with goroutines, under the race detector
	$(GO) test -race -short $(RACE)

.PHONY: golden
golden: ## rewrite what scenarios and goldens want; read the diff
	$(GO) test ./... -run 'Scenario|Golden|Script' -update

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (default 30s; an hour each before a release)
	@for f in $$(grep -rl '^func Fuzz' --include=*_test.go . | grep -v '^./bench/'); do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$f); do \
	    echo "$$t ($$(dirname $$f))"; $(GO) test ./$$(dirname $$f) -run '^$$' -fuzz "^$$t$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x || exit 1; \
	  done; done

.PHONY: crash
crash: ## end the program at every crash point, and at random; the next run must end in the same state
	$(GO) test -tags crash ./cmd/arrears -run 'Crash|Kill' -timeout 60m $(CRASH)

.PHONY: mutate
mutate: ## small changes of the money rules, each of which some test must notice (docs/TESTING.md)
	$(GO) run ./mutate $(MUTATE)

.PHONY: bench
bench: ## reading AWS's files against DuckDB (needs Python's duckdb), and whole runs (ROWS=10000000)
	cd bench && $(GO) run . -rows $(or $(ROWS),1000000)
	$(GO) test . -run '^$$' -bench . -benchtime 1x

.PHONY: conformance
conformance: ## the official validators over the corpus of documents (needs Maven, Python; docs/CONFORMANCE.md)
	document/conformance/run.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BIN) arrears-demo
