# Everything a person or a machine does with this tree. `make help` prints this file's own comments.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

export CGO_ENABLED := 0
GO ?= go

# What `minato version` and the user agents of Minato's own clients say.
STAMP := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(STAMP)

# The minors in the tree, the one that create-cluster takes when asked for none, and those that the tests run on: the oldest
# in EKS support, the default and the newest with EKS dates.
MINORS := $(sort $(patsubst kube/v%/go.mod,%,$(wildcard kube/v*/go.mod)))
DEFAULT_MINOR := $(shell awk -F'"' '/"minor"/ {m = $$4} /"default": true/ {print m}' kube/versions.json)
TEST_MINORS ?= 1.31 $(DEFAULT_MINOR) 1.36

kube_binary = bin/kube/v$(1)/kube

# The other programs that are run as they are released, and those that a real node needs.
UPSTREAM_MODULES := $(patsubst upstream/%/go.mod,%,$(wildcard upstream/*/go.mod))
UPSTREAM := $(UPSTREAM_MODULES) pause
NODE_PROGRAMS := containerd runc cni pause coredns

upstream_stamp = bin/upstream/$(1)/.built

.PHONY: help
help: ## print this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: build $(call kube_binary,$(DEFAULT_MINOR)) $(addprefix upstream-,$(NODE_PROGRAMS)) ## build what is missing, start the server and a cluster "demo"
	@bin/minato up --cluster demo

# Without the test cache, which does not see what the tests start: minato, Kubernetes, aws and kubectl.
.PHONY: test
test: build charts upstream $(foreach minor,$(TEST_MINORS),$(call kube_binary,$(minor))) ## every test: unit, real control planes, real clients (needs aws, kubectl and curl)
	$(GO) vet ./...
	MINATO_BIN=$(CURDIR)/bin/minato $(GO) test -count=1 -timeout 60m ./...

# Every minor after the other: some six minutes for each that must be built first.
UPGRADE_MINORS ?= 1.31 1.32 1.33 1.34 1.35 1.36
.PHONY: test-upgrades
test-upgrades: build upstream-kwok $(foreach minor,$(UPGRADE_MINORS),$(call kube_binary,$(minor))) ## one cluster from the oldest minor to the newest, with data, CRDs, webhooks and pods; kill -9 of everybody at every step
	MINATO_BIN=$(CURDIR)/bin/minato $(GO) test -count=1 -timeout 45m -tags upgrades -run TestEveryUpgrade -v ./e2e
	$(GO) test -count=1 -timeout 45m -tags upgrades -run TestEveryKilledUpgrade -v ./cluster/controlplane

.PHONY: race
race: ## the tests of the parts that start no Kubernetes, under the race detector (needs gcc)
	CGO_ENABLED=1 $(GO) test -race -timeout 20m . ./edge/... ./service/... ./engine/... ./internal/...

.PHONY: build
build: ## build bin/minato and bin/echo; the Go build cache decides what is compiled again
	@$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

.PHONY: charts
charts: bin/minato-charts ## build what renders Helm charts for minato insights scan

CHARTS = cluster/insights/scan/charts
bin/minato-charts: $(CHARTS)/go.mod $(CHARTS)/go.sum $(CHARTS)/main.go
	@$(GO) build -C $(CHARTS) -trimpath -buildvcs=false -ldflags '-s -w' -o $(CURDIR)/$@ .

.PHONY: kube
kube: ## build one Kubernetes minor: make kube VERSION=1.35
	@[[ -n "$(VERSION)" ]] || { echo "which minor? make kube VERSION=1.35 (known: $(MINORS))" >&2; exit 2; }
	@[[ " $(MINORS) " == *" $(VERSION) "* ]] || { echo "no Kubernetes $(VERSION) here (known: $(MINORS))" >&2; exit 2; }
	@$(MAKE) --no-print-directory $(call kube_binary,$(VERSION))

.PHONY: kube-all
kube-all: $(foreach minor,$(MINORS),$(call kube_binary,$(minor))) ## build every Kubernetes minor

# A minor is built again when its pin or its main changed; the comparison is by file time, so nothing is compiled to find out.
bin/kube/v%/kube: kube/v%/go.mod kube/v%/go.sum kube/v%/main.go kube/kubegen/build.go
	@$(GO) run ./kube/kubegen build $*

.PHONY: upstream
upstream: $(addprefix upstream-,$(UPSTREAM)) ## build containerd, runc, CoreDNS and whatever else runs as it is released

.PHONY: $(addprefix upstream-,$(UPSTREAM))
$(addprefix upstream-,$(UPSTREAM)): upstream-%: $(call upstream_stamp,%)

bin/upstream/%/.built: upstream/%/go.mod upstream/%/go.sum upstream/programs.json upstream/build/main.go
	@$(GO) run ./upstream/build $*

bin/upstream/pause/.built: upstream/programs.json upstream/build/main.go
	@$(GO) run ./upstream/build pause

.PHONY: bench
bench: build $(call kube_binary,$(DEFAULT_MINOR)) ## compare with the bare upstream processes and aws-iam-authenticator: a table, and JSON in bin/bench/results.json
	$(GO) run ./bench

# The judge of the result: Kubernetes' own tests, of the default minor, and what they run in pods. Compiling them takes about ten
# minutes on 2 cores.
CONFORMANCE_PROGRAMS = $(addprefix k8s.io/,kubernetes/test/images/agnhost kubernetes/test/images/nonewprivs sample-apiserver) \
	go.etcd.io/etcd/server/v3 github.com/onsi/ginkgo/v2/ginkgo
CONFORMANCE_FILES = $(addprefix test/images/,agnhost/porter/localhost.crt agnhost/porter/localhost.key nautilus/html/data.json nautilus/html/nautilus.jpg)

.PHONY: conformance
conformance: conformance-suite ## run Kubernetes' conformance tests on a cluster without and with a node (needs root, aws, kubectl, and what docs/conformance.md says)
	$(GO) run ./conformance

.PHONY: conformance-suite
conformance-suite: build $(call kube_binary,$(DEFAULT_MINOR)) $(addprefix upstream-,$(NODE_PROGRAMS)) ## build those tests
	@$(GO) -C conformance/suite build -trimpath -buildvcs=false -ldflags '-s -w' -o ../../bin/conformance/ $(CONFORMANCE_PROGRAMS)
	@$(GO) -C conformance/suite test -c -trimpath -buildvcs=false -ldflags '-s -w' -o ../../bin/conformance/e2e.test .
	@install -m 644 -t bin/conformance $(addprefix $$($(GO) -C conformance/suite list -m -f '{{.Dir}}' k8s.io/kubernetes)/,$(CONFORMANCE_FILES))

.PHONY: lint
lint: ## the short list of linters in .golangci.yml
	@$(GO) build -C tools -o ../bin/tools/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/tools/golangci-lint run ./...

.PHONY: fmt
fmt: ## gofmt everything
	gofmt -l -w $$(git ls-files '*.go')

.PHONY: tidy
tidy: ## go mod tidy, in the main module, the tools and what the bench compares with
	$(GO) mod tidy
	$(GO) -C tools mod tidy
	$(GO) -C bench/authenticator mod tidy
	$(GO) -C $(CHARTS) mod tidy
	$(GO) -C conformance/suite mod tidy
	$(GO) -C e2e/clientgo mod tidy
	for module in $(UPSTREAM_MODULES); do $(GO) -C upstream/$$module mod tidy; done
