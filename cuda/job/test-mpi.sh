#!/bin/sh
# test-mpi.sh: jobs of several processes on this machine; see test-mpi in the Makefile, which says in MPI_TAGS what MPI it found. Where there
# is none it says so; with CI=true that is a failure.
set -eu
cd "$(dirname "$0")/../.."

leave_out() {
	echo "**** LEFT OUT: jobs of several processes were not tested: $1" >&2
	[ "${CI:-}" != true ] || exit 1
	exit 0
}

[ -n "${MPI_TAGS:-}" ] || leave_out 'pkg-config finds no MPI (Debian: apt-get install libopenmpi-dev openmpi-bin pkg-config)'
command -v mpirun >/dev/null || leave_out 'mpirun is missing (Debian: apt-get install openmpi-bin)'

# Containers often forbid the system call by which Open MPI copies between processes of a host.
export OMPI_MCA_btl_vader_single_copy_mechanism=none
echo "go vet, staticcheck and go test with -tags $MPI_TAGS, by mpirun"
go vet -tags "$MPI_TAGS" ./cuda/job/...
if go run "$STATICCHECK" -version >/dev/null 2>&1; then
	go run "$STATICCHECK" -tags "$MPI_TAGS" ./cuda/job/...
else
	echo 'note: staticcheck cannot be had here, skipped'
fi
.ci/gotest -tags "$MPI_TAGS" ./cuda/job
.ci/gotest -tags "$MPI_TAGS" -run MPI ./cli
