# The front door. `make` lists the targets; continuous integration runs `make test`.
CARGO   ?= cargo
O2C     := target/release/onnx2chip
MODEL   ?= models/mlperftiny_resnet8_int8_qdq.onnx
OUT     ?= build/demo/$(basename $(notdir $(MODEL)))
# CIFAR-10 test images, or free photographs where they were removed.
INPUT   ?= $(firstword $(wildcard models/cifar10_test16.npy) models/photos32_16.npy)
LABELS  ?= $(wildcard $(INPUT:.npy=_labels.npy))
SAMPLES ?= 16
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
	@$(if $(LABELS),:,echo "no labels for $(INPUT); LeNet on its own labelled digits:" && \
	  $(O2C) run models/mnist_lenet_int8_qdq.onnx --input models/digits_drawn16.npy --labels models/digits_drawn16_labels.npy)
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

.PHONY: fuzz
fuzz: ## damaged files against the importer for a bounded time (SECONDS_OF_FUZZ=60)
	ONNX2CHIP_FUZZ_SECONDS=$(or $(SECONDS_OF_FUZZ),60) $(CARGO) test --lib fuzz

.PHONY: oracle
oracle: ## the ONNX decoder against an independent one, and the generated protobuf types against their source
	$(CARGO) test --locked --manifest-path compiler/tests/oracle/Cargo.toml --target-dir target/oracle
	$(CARGO) run --locked -q --manifest-path compiler/onnx/proto/Cargo.toml --target-dir target/proto-gen -- --check

.PHONY: check
check: ## formatting and clippy
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --quiet -- -D warnings

.PHONY: formal
formal: ## properties of the RTL, proved by Yosys; mutants refuted
	testbench/formal/run.sh

.PHONY: mutation
mutation: build ## breaks the RTL, its memory images and the compiler on purpose: a test has to notice each fault
	python3 testbench/mutants/run.py

.PHONY: props
props: setup ## random networks: executor against ONNX Runtime, Verilog against the executor (COUNT=, SEED=)
	O2C_RANDOM_REFERENCE=5000 $(CARGO) test --quiet --lib reference::tests::random_graphs
	O2C_RANDOM=$(or $(COUNT),100) O2C_RANDOM_SEED=$(or $(SEED),1000) $(CARGO) test --quiet --test rtl_random -- --nocapture

.PHONY: bench
bench: setup build ## measures bits, cycles and speed of the models; writes docs/results.md and the README's table
	.venv/bin/python testbench/results.py

.PHONY: zoo
zoo: setup build ## every model of a folder: what compiles, bits, cycles, accuracy; writes docs/zoo.md (ZOO=DIR)
	.venv/bin/python testbench/zoo.py $(or $(ZOO),../shared/zoo)

.PHONY: qonnx
qonnx: setup build ## QONNX and FINN models of a folder against QONNX's own execution; writes docs/low_bit.md (ZOO=DIR)
	.venv/bin/python -c "import qonnx" 2>/dev/null || .venv/bin/pip install --quiet qonnx
	.venv/bin/python testbench/low_bit.py $(or $(ZOO),../shared/zoo)

.PHONY: large
large: setup build ## a ResNet-50 with random weights in ON_CHIP=512 KiB: compile, simulate one image in Verilog
	mkdir -p build/large
	test -f build/large/resnet50.onnx || .venv/bin/python models/make_resnet50.py build/large/resnet50.onnx
	$(O2C) compile build/large/resnet50.onnx -o build/large/resnet50 --macs 256 --on-chip $(or $(ON_CHIP),512) --bus-bits 128 --samples 1 >/dev/null
	$(O2C) simulate build/large/resnet50

.PHONY: synth
synth: setup build ## ResNet-8 on 64 multipliers: area and clock on ECP5, area on 7 series, into docs/ and README
	.venv/bin/python -m pip install -q --disable-pip-version-check -r .ci/requirements-synth.txt
	PATH="$(CURDIR)/.venv/bin:$$PATH" .venv/bin/python testbench/synth.py $(O2C) $(MODEL) build/synth

.PHONY: macs
macs: ## LUTs and DSPs of a multiply-accumulate, for each kind of multiplier; writes docs/multipliers.md
	python3 testbench/macs.py

.PHONY: exhaustive
exhaustive: ## all operands of pairs of products, 8 bits by 8 bits, through the multipliers in LUTs (minutes)
	O2C_BENCHES=testbench/unit/exhaustive.txt testbench/unit/run.sh

.PHONY: docs
docs: build ## the generated pages of docs/
	for page in diagnostics operators descriptor; do $(O2C) docs $$page >docs/$$page.md || exit 1; done

.PHONY: clean
clean: ## removes build/ and target/
	rm -rf build
	$(CARGO) clean
