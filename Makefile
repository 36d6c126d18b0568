# Each target is one command. The tools are pinned in test/tools/go.mod and built
# on first use. .ci/run goes through all that a change has to pass.

GOVULNDB ?= https://vuln.go.dev
FUZZTIME ?= 30s

TOOL := go tool -modfile=test/tools/go.mod
TEST := $(TOOL) gotestsum -- -race -shuffle=on
VULN := $(TOOL) govulncheck -db=$(GOVULNDB)

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 13

.PHONY: build
build: ## build ./secretctl
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o secretctl .

.PHONY: demo
demo: ## run the whole job against the embedded stand-ins
	go run . demo

.PHONY: test
test: ## run the tests that need nothing but Go
	$(TEST) ./...

.PHONY: test-vault
test-vault: ## run all tests, with a real Vault built from source
	test/vault/with $(TEST) ./...

.PHONY: test-azure
test-azure: ## have the Azure provider's own code read what is rendered for it
	go test -C test/azureprovider -race -shuffle=on ./...

.PHONY: test-cluster
test-cluster: ## run the tests that need a Kubernetes cluster, built from source (root, Debian)
	test/cluster/with sh -c 'test/cluster/standin && exec $(TEST) -run=Cluster -p=1 -timeout=30m ./...'

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (30s)
	test/fuzz $(FUZZTIME)

.PHONY: bench
bench: ## run the benchmarks
	go test -run='^$$' -bench=. -benchmem ./...

.PHONY: fmt
fmt: ## format the code
	$(TOOL) gofumpt -w .

.PHONY: vet
vet: ## run go vet
	go vet ./...

.PHONY: lint
lint: ## run the linters of .golangci.yml, formatting included
	$(TOOL) golangci-lint run

.PHONY: tidy
tidy: ## check that every go.mod and go.sum is tidy
	test/tidy

.PHONY: vuln
vuln: ## look for known vulnerabilities in what is used
	$(VULN) ./...

.PHONY: vuln-db
vuln-db: # whether the database that vuln asks can be reached
	$(VULN) -version | grep '^DB updated'

.PHONY: licenses
licenses: ## check that everything linked in has a licence that permits it
	$(TOOL) go-licenses check --allowed_licenses=Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,MPL-2.0 .

.PHONY: docs
docs: ## generate docs/cli from the commands
	go run ./docs/gen

.PHONY: docs-check
docs-check: ## check that the generated docs are up to date
	test/docs-check

.PHONY: clean
clean: ## remove what the targets here left
	rm -rf secretctl dist coverage.out
