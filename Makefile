# vimps-gpu: make demo, make test. Needs Go, gcc and make; nothing else.
PROGRAM     := bin/vimps-gpu
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.0
PYTHON      ?= python3
THREADS     ?= $(shell nproc)
FUZZTIME    ?= 20s

.PHONY: build demo test lint bench bench-torch fuzz size clean

# The program.
build:
	go build -o $(PROGRAM) ./cli/vimps-gpu

# The main job on data that the program carries: a search, its front and its report.
demo: build
	rm -rf runs/demo
	$(PROGRAM) search --model digitsnet --data digits --random 20 --uniform --out runs/demo

# Everything that is checked.
test: lint
	go test ./...

lint:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not gofmt'd: $$files"; exit 1; fi
	go vet ./...
	@if go run $(STATICCHECK) -version >/dev/null 2>&1; then echo go run $(STATICCHECK) ./...; go run $(STATICCHECK) ./...; \
	else echo "note: staticcheck cannot be had here, skipped"; fi

# Training steps of ResNet-20, by op.
bench: build
	$(PROGRAM) bench step --model resnet20 --batch 128 --steps 20

# The same supernet step here and in PyTorch, with equal threads. PYTHON is a Python that has torch, such as that of a
# virtual environment; ISA=avx2 holds both to AVX2.
THREADS ?= 2
ISA     ?= auto
bench-torch: build
	@$(PYTHON) -c 'import torch' 2>/dev/null || { echo "bench-torch: $(PYTHON) has no torch; make a virtual environment and say make bench-torch PYTHON=VENV/bin/python"; exit 1; }
	$(PYTHON) bench/torch_step.py --threads $(THREADS) --isa $(ISA) --ours $(PROGRAM)

# Every fuzz target for FUZZTIME.
fuzz:
	@grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read dir; do \
		for target in $$(grep -h '^func Fuzz' $$dir/*_test.go | sed 's/func \(Fuzz[A-Za-z0-9]*\).*/\1/'); do \
			echo "$$dir $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$dir || exit 1; \
		done; done

# Lines by package, and the longest files.
size:
	@for dir in kernels cuda quant nn onesot bench cli; do \
		printf '%-8s %6d lines, tests %6d\n' $$dir \
			$$(find $$dir \( -name '*.go' -o -name '*.c' -o -name '*.h' -o -name '*.py' \) ! -name '*_test.go' -exec cat {} + | wc -l) \
			$$(find $$dir -name '*_test.go' -exec cat {} + | wc -l); done
	@find . \( -name '*.go' -o -name '*.c' -o -name '*.h' \) -exec wc -l {} + | sort -rn | sed -n '2,6p'

clean:
	rm -rf bin
