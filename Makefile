# Each target is one command. The tools are pinned in test/tools/go.mod and built
# on first use.

FUZZTIME ?= 15s

# The Go release that releases are built with, whatever release is installed.
export GOTOOLCHAIN := $(shell sed -n 's/^toolchain //p' go.mod)

TOOL := go tool -modfile=test/tools/go.mod
TEST := $(TOOL) gotestsum -- -race -shuffle=on -timeout=20m
TEST_CLUSTER := $(TOOL) gotestsum --format=standard-verbose -- -race -shuffle=on -count=1 -timeout=20m -parallel=4

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

.PHONY: check
check: tidy fmt-check vet lint docs-check test ## what to run before a commit: minutes, no root

.PHONY: ci
ci: ## everything a change has to pass (root, Debian)
	.ci/run

.PHONY: build
build: ## build ./secretctl
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o secretctl .

.PHONY: release
release: ## make all files of a release in ./dist, without publishing
	test/release/make --snapshot

.PHONY: demo
demo: ## run the whole job against stand-ins
	go run . demo

.PHONY: test
test: ## run the tests that need only Go
	$(TEST) ./...

.PHONY: test-vault
test-vault: ## run the tests that need a real Vault, built from source
	test/vault/with $(TEST) -run=RealVault ./...

.PHONY: test-azure
test-azure: ## test with the Azure provider's own code, and with the client that it is built with
	go test -C test/azureprovider -race -shuffle=on ./...
	go build -C test/azureclient -o ../../build/azureclient .
	SECRETCTL_TEST_AZURECLIENT=$(CURDIR)/build/azureclient $(TEST) -run=OlderClient ./internal/store/keyvault

.PHONY: test-peers
test-peers: ## test rendered manifests with the real helm and kubectl
	test/peers/with $(TEST) -run=Peer ./internal/install ./internal/render ./internal/verify ./cmd

.PHONY: test-pages
test-pages: ## test the HTML pages in Chromium, light and dark, wide and narrow (npm)
	npm --prefix test/pages ci --ignore-scripts --no-audit --no-fund
	SECRETCTL_TEST_CHROMIUM="$$(test/pages/chromium)" go test -count=1 ./test/pages

.PHONY: pictures
pictures: ## make the pictures of the README from real output, in Chromium
	mkdir -p docs/pictures
	SECRETCTL_TEST_CHROMIUM="$$(test/pages/chromium)" go test -count=1 -run=Pictures ./test/pages -pictures=$(CURDIR)/docs/pictures

.PHONY: test-release
test-release: ## make a release twice, compare, install and run the packages (root, Debian)
	go test -C test/release -shuffle=on ./...
	test/release/check

# Two clusters at a time: the one with real intervals mostly waits, so that four of its
# tests run at once whatever the number of cores.
.PHONY: test-cluster test-cluster-real test-cluster-fast
test-cluster: ## run the tests on a real Kubernetes, built from source (root, Debian)
	$(MAKE) --no-print-directory --jobs=2 --output-sync=target test-cluster-real test-cluster-fast
test-cluster-real: # the tutorial, and whatever breaks nothing that the cluster shares
	exec env SECRETCTL_CLUSTER=real SECRETCTL_CLUSTER_PROFILE=real test/cluster/with $(TEST_CLUSTER) -run=RealCluster -skip="Faults|Rights" ./internal/cluster ./test/cluster
test-cluster-fast: # the faults, and what takes many runs
	exec env SECRETCTL_CLUSTER=fast SECRETCTL_CLUSTER_PROFILE=fast test/cluster/with $(TEST_CLUSTER) -run='RealCluster.*(Faults|Rights)' ./test/cluster

.PHONY: test-adversity
test-adversity: ## kill provision at each of its writes, provision 10,000 secrets, verify 500 deliveries
	go test -count=1 -run='AfterAKill|TenThousand|ManyDeliveries' ./cmd -thorough

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (15s)
	test/fuzz $(FUZZTIME)

.PHONY: bench
bench: build ## compare with kubectl, helm and Vault (docs/performance.md)
	go build -o build/bench ./test/bench
	build/bench -peers="$$(test/peers/build)" -vault="$$(test/vault/build)"

.PHONY: fmt
fmt: ## format the code
	$(TOOL) gofumpt -w .

.PHONY: fmt-check
fmt-check: ## check that the code is formatted
	$(TOOL) golangci-lint fmt --diff

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
vuln: ## check that no known vulnerability is reachable
	$(TOOL) govulncheck -db="file://$$(test/vulndb/build)" ./...

.PHONY: outdated
outdated: ## list newer versions of Go, modules and tools
	test/outdated

.PHONY: licenses
licenses: ## check the licenses of everything that is linked in
	$(TOOL) go-licenses check --allowed_licenses=Apache-2.0,BSD-2-Clause,BSD-3-Clause,ISC,MIT,MPL-2.0 .

.PHONY: docs
docs: ## generate docs/cli and the JSON Schema
	go run ./docs/gen

.PHONY: docs-check
docs-check: ## check that the generated docs are up to date
	test/docs-check

.PHONY: clean
clean: ## remove build output
	rm -rf secretctl dist build coverage.out
