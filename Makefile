# Noriter. `make` alone lists the targets.

GO      ?= go
BIN     := bin
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo source)
KUBE    := v1.37.0
STAMP   := k8s.io/component-base/version
LDFLAGS := -s -w -X noriter.dev/noriter/internal/build.version=$(VERSION) \
  -X $(STAMP).gitVersion=$(KUBE) -X $(STAMP).gitMajor=1 -X $(STAMP).gitMinor=37 \
  -X $(STAMP).gitTreeState=clean -X $(STAMP).gitCommit=noriter-$(VERSION)
MAINS   := nori nori-control nori-node nori-ingress coredns hello pause
# The labs have an image for another processor than the nodes'.
FOREIGN := hello-$(if $(filter arm64 aarch64,$(shell uname -m)),amd64,arm64)

export CGO_ENABLED := 0
export PATH := $(PATH):/usr/local/bin:/usr/local/go/bin:/usr/sbin:/sbin
# Lets an older Go fetch the one that go.mod names.
export GOTOOLCHAIN ?= auto

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | \
	  while IFS="$$(printf '\t')" read -r t d; do printf '  make %-8s %s\n' "$$t" "$$d"; done

.PHONY: play
play: deps build ## install what is missing, build, bring the testbed up, open the first lab (PLAIN=1: ask nothing)
	@.ci/play $(if $(PLAIN),--plain)

.PHONY: deps
deps: ## install what this machine lacks, naming each package first
	@.ci/deps run

.PHONY: build
build: ## build the programs into bin/
	@mkdir -p $(BIN) && test -w $(BIN) || { echo "$(CURDIR)/$(BIN) can't be written to: nothing could be kept that was built" >&2; exit 1; }
	$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN)/ $(MAINS:%=./cmd/%)
	@$(MAKE) --no-print-directory $(BIN)/$(FOREIGN)
	@ln -sf nori $(BIN)/kubectl

.PHONY: $(MAINS:%=$(BIN)/%) $(BIN)/$(FOREIGN)
$(MAINS:%=$(BIN)/%):
	@mkdir -p $(BIN)
	$(GO) build -ldflags '$(LDFLAGS)' -o $@ ./cmd/$(@F)

$(BIN)/$(FOREIGN):
	@mkdir -p $(BIN)
	GOARCH=$(patsubst hello-%,%,$(FOREIGN)) $(GO) build -ldflags '$(LDFLAGS)' -o $@ ./cmd/hello

.PHONY: test
test: ## install what the tests need, and run them (what is too much for one run takes turns)
	@.ci/deps test
	@$(MAKE) --no-print-directory build
	@.ci/test

.PHONY: unit
unit: ## only the tests that need no machine (under two minutes)
	$(GO) test $$($(GO) list ./... | grep -v /e2e)

.PHONY: prove
prove: ## prove all labs and quizzes, each in every way (DRIVER=libvirt: untouched and solution, on virtual machines)
	@.ci/deps run
	@$(MAKE) --no-print-directory build
	@.ci/prove '$(DRIVER)'

.PHONY: conformance
conformance: ## run Kubernetes' conformance cases on a testbed (CASES=regular expression; half an hour)
	@.ci/deps run
	@$(MAKE) --no-print-directory build
	@testbed/conformance/run '$(or $(CASES),.)'

.PHONY: package
package: ## make a Debian package and an archive in bin/package: programs and images, for hosts without Go or a network
	@.ci/deps run
	@.ci/release

.PHONY: histories
histories: ## live random histories of testbeds, held to what is promised (TIME=10m, DRIVER=nspawn, SEED=…, NORI_HISTORY='…')
	@.ci/deps run
	@$(MAKE) --no-print-directory build
	@.ci/histories '$(TIME)' '$(DRIVER)' '$(SEED)'

.PHONY: clean
clean: ## remove what was built here; testbeds and caches stay
	rm -rf $(BIN)
