# vimps-gpu: make demo, make test. Needs Go, gcc and make; for the GPU also NVIDIA's compiler and header, which
# make cuda-toolchain fetches.
PROGRAM     := bin/vimps-gpu
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.0
PYTHON      ?= python3
FUZZTIME    ?= 20s

# Where NVIDIA's cuda.h and nvcc are: CUDA_HOME, what make cuda-toolchain fetched, or the usual places. The program is
# built for the GPU where the header is found and the kernels are compiled or can be.
TOOLCHAIN := .cuda/nvidia/cu13
CUDA      := $(firstword $(patsubst %/include/cuda.h,%,$(wildcard $(addsuffix /include/cuda.h,$(CUDA_HOME) $(CURDIR)/$(TOOLCHAIN) /usr/local/cuda /opt/cuda /usr))))
NVCC      := $(or $(wildcard $(CUDA)/bin/nvcc),$(shell command -v nvcc))
ifneq ($(CUDA),)
ifneq ($(NVCC)$(wildcard kernels/fatbin/*.fatbin),)
TAGS := cuda
endif
endif

# MPI, for a job of several processes: Open MPI or MPICH, where pkg-config knows one. The program then needs its library wherever it
# runs; make build MPI= leaves it out.
MPI     := $(shell pkg-config --exists ompi-c 2>/dev/null && echo mpi || { pkg-config --exists mpich 2>/dev/null && echo mpi mpich; })
TAGS    := $(strip $(TAGS) $(MPI))
COMMA   := ,
SPACE   := $(subst ,, )
GO_TAGS := $(if $(TAGS),-tags $(subst $(SPACE),$(COMMA),$(TAGS)))
CUDA_ENV := CGO_CFLAGS="-O2 -g -I$(CURDIR)/cuda/driver/compat -I$(CUDA)/include" CGO_LDFLAGS="-L$(CURDIR)/cuda/driver" PATH="$(CUDA)/bin:$$PATH"
export STATICCHECK
SIM_LIBCUDA := $(CURDIR)/build/sim/libcuda.so.1
SIM_LIBNCCL := $(CURDIR)/build/sim/libnccl.so.2

.PHONY: build demo test test-sim test-mpi test-slurm lint onnxruntime cuda-toolchain cuda-env kernels sass-budget sim sim-tests bench bench-torch gpu-bundle fuzz size clean

# The program.
build: $(if $(filter cuda,$(TAGS)),$(if $(NVCC),kernels))
ifeq ($(filter cuda,$(TAGS)),)
	go build $(GO_TAGS) -o $(PROGRAM) ./cli/vimps-gpu
	@echo "built for the CPU only: $(if $(CUDA),no nvcc,no cuda.h) was found. make cuda-toolchain fetches NVIDIA's compiler and header; then make build again"
else
	$(if $(NVCC),,@kernels/fatbin.sh --check)
	$(CUDA_ENV) go build $(GO_TAGS) -o $(PROGRAM) ./cli/vimps-gpu
endif
	@$(if $(MPI),:,echo "built without MPI$(COMMA) so for one process$(if $(filter command,$(firstword $(origin MPI))),: MPI= leaves it out,: none was found. Install one (Debian: apt-get install libopenmpi-dev openmpi-bin pkg-config); then make build again)")

# The main job on data that the program carries: a search, its front and its report.
demo: build
	rm -rf runs/demo
	$(PROGRAM) search --model digitsnet --data digits --random 20 --uniform --out runs/demo

# Everything that is checked. test-sim, test-mpi and test-slurm say loudly what they leave out where something is missing.
test: lint
	@.ci/test
	@$(MAKE) --no-print-directory test-sim
	@$(MAKE) --no-print-directory test-mpi
	@$(MAKE) --no-print-directory test-slurm

# The CUDA kernels, without a GPU: all of them compiled and their machine code held to kernels/sass_budget.json, and the program with them
# on the simulated GPU of cuda/sim.
test-sim:
	@cuda/test-sim.sh

# Jobs of several processes, started by mpirun on this machine.
test-mpi:
	@MPI_TAGS=$(subst $(SPACE),$(COMMA),$(MPI)) cuda/job/test-mpi.sh

# The jobs of bench/slurm, by a Slurm of one node that is started for them.
test-slurm:
	@bench/slurm/test.sh

lint:
	@files=$$(gofmt -l .); if [ -n "$$files" ]; then echo "not gofmt'd: $$files"; exit 1; fi
	go vet ./...
	@if go run $(STATICCHECK) -version >/dev/null 2>&1; then echo go run $(STATICCHECK) ./...; go run $(STATICCHECK) ./...; \
	else echo "note: staticcheck cannot be had here, skipped"; fi

# onnxruntime, onnx and tensorboard into .python, for the tests: some 250 MB, once, without root.
onnxruntime:
	nn/onnx/onnxruntime.sh $(CURDIR)/.python

# NVIDIA's compiler and header into .cuda: some 110 MB, once, without root.
cuda-toolchain:
	cuda/toolchain.sh $(CURDIR)/.cuda

# What a shell needs for go build and go test with -tags cuda: eval "$$(make cuda-env)"
cuda-env:
	@[ -n "$(CUDA)" ] || { echo "cuda-env: no cuda.h; make cuda-toolchain fetches it" >&2; exit 1; }
	@echo 'export $(CUDA_ENV) VIMPS_LIBCUDA="$(SIM_LIBCUDA)" VIMPS_LIBNCCL="$(SIM_LIBNCCL)"'

# Every kernels/*.cu to kernels/fatbin; what has not changed is left alone. ARCHS="" makes PTX only, for a quick try.
ARCHS ?= 80 86 89 90 100 120
kernels:
	@[ -n "$(NVCC)" ] || { echo "kernels: no nvcc; make cuda-toolchain fetches it"; exit 1; }
	@kernels/fatbin.sh "$(NVCC)" "$(ARCHS)"

# kernels/sass_budget.json anew, for a change of the machine code that is meant.
sass-budget: kernels
	$(CUDA_ENV) go test -tags cuda ./kernels -run '^TestSASS$$' -count 1 -update-sass

# The simulated GPU, build/sim/libcuda.so.1, and the stand-in for NCCL beside it.
SIM_FLAGS := -O3 -march=x86-64-v3 -std=c++17 -ffp-contract=off -fno-math-errno -fno-trapping-math -fPIC -Wall -Wextra -Werror -I$(CUDA)/include
sim_objects = $(patsubst cuda/sim/%.cpp,build/sim/%.o,$(1))
SIM       := $(call sim_objects,$(filter-out $(wildcard cuda/sim/*_test*.cpp),$(wildcard cuda/sim/*.cpp)))
sim: $(SIM_LIBCUDA) $(SIM_LIBNCCL)
$(SIM_LIBNCCL): cuda/sim/nccl/nccl.cpp Makefile
	@mkdir -p build/sim
	@echo g++ $<
	@g++ $(SIM_FLAGS) -shared -Wl,-soname,libnccl.so.2 -o $@ $< -pthread -ldl -lrt
build/sim/%.o: cuda/sim/%.cpp $(wildcard cuda/sim/*.h) Makefile
	@mkdir -p build/sim
	@echo g++ $<
	@g++ $(SIM_FLAGS) -c -o $@ $<
$(SIM_LIBCUDA): $(SIM)
	@g++ -shared -Wl,-soname,libcuda.so.1 -Wl,-Bsymbolic -o $@ $^ -pthread

# The simulator's own tests: of the interpreter, by planted faults, and of the driver.
build/sim/sim_test: $(call sim_objects,$(wildcard cuda/sim/sim_test*.cpp)) $(SIM)
	@g++ -o $@ $^ -pthread
build/sim/libcuda_test: $(call sim_objects,$(wildcard cuda/sim/libcuda_test*.cpp))
	@g++ -o $@ $^ -pthread -ldl
build/sim/%.ptx: cuda/sim/testdata/%.cu
	@$(NVCC) -std=c++17 -fmad=false -ptx -arch=compute_80 -o $@ $<
quietly    = @$(1) >build/sim/log || { grep -v '^ok ' build/sim/log; exit 1; }; echo "$(firstword $(1)): $$(tail -1 build/sim/log)"
SIM_PTX   := $(addprefix build/sim/,faults.ptx arithmetic.ptx tensor.ptx)
sim-tests: build/sim/sim_test build/sim/libcuda_test $(SIM_PTX) build/sim/driver.ptx $(SIM_LIBCUDA)
	$(call quietly,build/sim/sim_test $(SIM_PTX) kernels/fatbin/*.fatbin)
	$(call quietly,build/sim/libcuda_test $(SIM_LIBCUDA) build/sim/driver.ptx)

# Training steps of ResNet-20, by op.
bench: build
	$(PROGRAM) bench step --model resnet20 --batch 128 --steps 20

# The same supernet step here and in PyTorch, with equal threads. PYTHON is a Python that has torch, such as that of a
# virtual environment; ISA=avx2 holds both to AVX2.
THREADS ?= $(shell nproc)
ISA     ?= auto
bench-torch: build
	@$(PYTHON) -c 'import torch' 2>/dev/null || { echo "bench-torch: $(PYTHON) has no torch; make a virtual environment and say make bench-torch PYTHON=VENV/bin/python"; exit 1; }
	$(PYTHON) bench/torch_step.py --threads $(THREADS) --isa $(ISA) --ours $(PROGRAM)

# What bench/gpu.sh needs on a machine with a GPU, which may have neither Go nor a network: copy the tree with build/gpu there. Only
# vimps-gpu-mpi needs the MPI that was found here.
gpu-bundle: kernels
	@rm -rf build/gpu && mkdir -p build/gpu
	$(CUDA_ENV) go build -tags cuda -ldflags='-s -w' -o build/gpu/ ./cli/vimps-gpu
	$(if $(MPI),$(CUDA_ENV) go build -tags cuda$(COMMA)$(subst $(SPACE),$(COMMA),$(MPI)) -ldflags='-s -w' -o build/gpu/vimps-gpu-mpi ./cli/vimps-gpu)
	$(CUDA_ENV) go test -c -tags cuda -ldflags='-s -w' -o build/gpu/ ./cuda ./nn ./onesot
	@gzip build/gpu/vimps-gpu* build/gpu/*.test
	@git describe --always --dirty >build/gpu/commit 2>/dev/null || echo unknown >build/gpu/commit
	@du -sh build/gpu

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
			$$(find $$dir \( -name '*.go' -o -name '*.c' -o -name '*.cu' -o -name '*.cpp' -o -name '*.h' -o -name '*.py' \) ! -name '*_test.go' -exec cat {} + | wc -l) \
			$$(find $$dir -name '*_test.go' -exec cat {} + | wc -l); done
	@find . \( -name '*.go' -o -name '*.c' -o -name '*.cu' -o -name '*.cpp' -o -name '*.h' \) -not -path './.cuda/*' -exec wc -l {} + | sort -rn | sed -n '2,6p'

clean:
	rm -rf bin build kernels/fatbin/*.fatbin kernels/fatbin/.*.hash kernels/fatbin/.made
