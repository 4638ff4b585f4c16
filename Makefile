# The front door. `make` lists the targets; continuous integration runs `make test`.
CARGO   ?= cargo
O2C     := target/release/onnx2chip
MODEL   ?= models/mlperftiny_resnet8_int8_qdq.onnx
OUT     ?= build/demo/$(basename $(notdir $(MODEL)))
# The first CIFAR-10 test images where models/make_samples.py --restricted made them, else free photographs.
INPUT   ?= $(firstword $(wildcard models/cifar10_test16.npy) models/photos32_16.npy)
LABELS  ?= $(wildcard $(INPUT:.npy=_labels.npy))
SAMPLES ?= 4
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

.PHONY: help
help: ## lists the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.PHONY: setup
setup: ## installs what the tests and the demo need (see .ci/setup)
	@.ci/setup

.PHONY: build
build: ## the onnx2chip program, optimised
	@$(CARGO) build --release --quiet

.PHONY: demo
demo: setup build ## ResNet-8: compile, compare with ONNX Runtime, simulate the Verilog (MODEL=, INPUT=, LABELS=, SAMPLES=)
	$(O2C) compile $(MODEL) -o $(OUT) --input $(INPUT) --samples $(SAMPLES) >/dev/null
	$(O2C) run $(MODEL) --input $(INPUT) $(if $(LABELS),--labels $(LABELS)) --compare onnxruntime
	@echo
	$(O2C) simulate $(OUT)
	@echo
	@echo "hand-off folder: $(OUT)"
	@echo "report:          $(OUT)/report.html"

.PHONY: test
test: setup lint ## every test: Rust, RTL lint, unit benches, one network end to end in Verilog
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run
else
	$(CARGO) test
endif
	$(CARGO) test --doc --quiet
	testbench/unit/run.sh
	$(CARGO) build --release --quiet
	$(O2C) compile models/mnist_lenet_int8_qdq.onnx -o build/test/lenet --input models/digits_drawn16.npy --samples 2 >/dev/null
	$(O2C) simulate build/test/lenet
	$(O2C) simulate build/test/lenet --stall random >/dev/null
	$(O2C) simulate build/test/lenet --protocol
	$(MAKE) -C build/test/lenet lint icarus

.PHONY: lint
lint: ## every RTL module in Verilator -Wall, Yosys and Icarus, with good and bad parameters
	testbench/lint.sh

.PHONY: check
check: ## formatting and clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --quiet -- -D warnings

.PHONY: formal
formal: ## properties of the RTL, proved by Yosys; mutants refuted
	testbench/formal/run.sh

.PHONY: mutation
mutation: ## breaks the RTL on purpose: the unit benches have to notice
	testbench/unit/mutate.sh

.PHONY: props
props: setup ## random networks: executor against ONNX Runtime, Verilog against the executor (COUNT=, SEED=)
	O2C_RANDOM_REFERENCE=5000 $(CARGO) test --quiet --lib reference::tests::random_graphs
	O2C_RANDOM=$(or $(COUNT),100) O2C_RANDOM_SEED=$(or $(SEED),1000) $(CARGO) test --quiet --test rtl_random -- --nocapture

.PHONY: bench
bench: build ## cycles and efficiency of every model in models/, simulated
	@for m in models/*.onnx; do \
	  d=build/bench/$$(basename $$m .onnx); echo "== $$m"; \
	  $(O2C) compile $$m -o $$d --samples 1 >/dev/null && $(O2C) simulate $$d || exit 1; done

.PHONY: synth
synth: build ## area of the ResNet-8 accelerator on ECP5, by Yosys
	$(O2C) compile $(MODEL) -o $(OUT) --target ecp5-85k --samples 1 >/dev/null
	$(O2C) synth $(OUT)

.PHONY: docs
docs: build ## docs/diagnostics.md from the table of codes
	@mkdir -p docs
	$(O2C) docs >docs/diagnostics.md

.PHONY: clean
clean: ## removes build/ and target/
	rm -rf build
	$(CARGO) clean
