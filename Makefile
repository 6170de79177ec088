# plan: `make demo` shows it at work, `make test` proves it. Both install what they need.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c

VERSION ?= dev
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
LAB_DIR ?= $(CURDIR)/.lab
LAB     := bin/lab
GO      := CGO_ENABLED=0 go

.PHONY: build demo test quick reliability lint release image vuln generate bench lab-up lab-down lab install clean

build: ## bin/plan
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/plan ./cmd/plan

lab: ## bin/lab, the program that starts real servers
	cd test/lab && $(GO) build -o $(CURDIR)/bin/lab ./cmd/lab

demo: build lab ## a nightly backup against real servers on this machine
	LAB_DIR='$(LAB_DIR)' test/lab/demo.sh

test: lint quick lab ## everything: unit, script, conformance, and end to end in the lab
	$(LAB) install
	cd test/lab && PLAN_TEST_LAB=1 $(GO) test -count=1 -parallel 4 -timeout 30m ./... # most of them wait for pods
	@echo "make test: all passed; the lab ran its control plane, S3 and Bitwarden, $$([ "$${PLAN_LAB_NODE:-1}" = 0 ] && echo 'without its node (PLAN_LAB_NODE=0): no pod ran' || echo 'and its node: kubelet, containerd, registry, Docker, git')"

quick: ## what needs no server, with a twentieth of the large numbers
	ENGINE_DAGS=5000 PLAN_AGREE=5000 PLAN_RETENTION_CASES=50000 $(GO) test ./...
	cd internal/bitwarden/sdk && $(GO) test ./...

reliability: ## the large numbers, fuzzing (FUZZTIME=60s each), and what hostile files cost
	test/reliability.sh

lint: ## formatting, vet, staticcheck
	test/lint.sh

release: ## dist: archives, SBOMs and checksums of the commit, built twice and compared; VERSION=1.2.3, TARGETS=linux/amd64,… for some only
	$(GO) run ./internal/release -version '$(VERSION)' -only '$(TARGETS)'

image: ## dist/image: the container image of the commit, without a container engine; VERSION=1.2.3, TARGETS=linux/amd64 for one only, PUSH=registry/repository:tag
	$(GO) run ./internal/image -version '$(VERSION)' -only '$(TARGETS)' -push '$(PUSH)'

vuln: ## known vulnerabilities; asks vuln.go.dev, or the database that GOVULNDB names
	internal/release/vuln.sh

generate: ## files made from the kinds; twice, since the schema of verify-all is made of others and goes into the bundle
	$(GO) run ./internal/generate .
	$(GO) run ./internal/generate .

bench: build lab ## figures beside their peers; writes docs/performance.md
	$(GO) run ./bench

lab-up: lab ## start the lab and fill it
	$(LAB) up --seed --dir '$(LAB_DIR)'

lab-down: lab ## stop the lab
	$(LAB) down --dir '$(LAB_DIR)'

install: ## go install
	$(GO) install -trimpath -ldflags '$(LDFLAGS)' ./cmd/plan

clean:
	rm -rf bin
