#!/bin/sh
# test-sim.sh: all that can be proved of the GPU without one; see test-sim in the Makefile. Where a part cannot be had it says so and leaves
# it out; with CI=true that is a failure.
set -eu
cd "$(dirname "$0")/.."

leave_out() {
	echo "**** LEFT OUT: the CUDA kernels, their machine code and the simulated GPU were not tested: $1" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
}

[ "$(uname -sm)" = 'Linux x86_64' ] || leave_out "they need Linux on x86_64, this is $(uname -sm)"
grep -qw avx2 /proc/cpuinfo || leave_out 'the simulated GPU needs a CPU with AVX2'
command -v g++ >/dev/null || leave_out 'g++ is missing (Debian: apt-get install g++)'
# The pinned compiler, so that registers and instructions are what kernels/sass_budget.json was made with.
if [ -z "${CUDA_HOME:-}" ]; then
	why=$(make -s --no-print-directory cuda-toolchain 2>&1) || leave_out "$(echo "$why" | grep '^cuda toolchain: ' || echo "$why" | tail -1)"
	CUDA_HOME=$PWD/.cuda/nvidia/cu13
	export CUDA_HOME
fi

make --no-print-directory kernels
make --no-print-directory -j "$(nproc)" sim
make --no-print-directory -j "$(nproc)" sim-tests
eval "$(make -s --no-print-directory cuda-env)"
# Containers often forbid the system call by which Open MPI copies between processes of a host.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
echo 'go vet, staticcheck and go test with -tags cuda, on the simulated GPU'
go vet -tags cuda ./...
if go run "$STATICCHECK" -version >/dev/null 2>&1; then
	go run "$STATICCHECK" -tags cuda ./...
else
	echo 'note: staticcheck cannot be had here, skipped'
fi
.ci/gotest -tags cuda ./cuda ./cuda/driver ./kernels/...
.ci/gotest -tags cuda -run 'Sim' ./nn/... ./onesot/... ./cli/...
.ci/gotest -tags cuda -race -short ./cuda ./cuda/driver
