#!/bin/bash
# gpu.sh: all that needs a real NVIDIA GPU, in at most 10 minutes and without a network: parity of every op with the host, equal
# bits twice, compute-sanitizer, bandwidths, convolutions against cuDNN, the supernet step against PyTorch, searches; and weak and
# strong scaling where there are several GPUs, mpirun and NCCL.
#
#   bench/gpu.sh [--quick] [--out DIR] [--work DIR]
#
# It takes the program and the tests that `make gpu-bundle` put into build/gpu, or makes them where Go and nvcc are. It writes
# DIR/<gpu>.json and .md (DIR: bench/results; what a simulated GPU or --quick gives goes to the work folder). Nothing is dropped: a part that fails, runs
# out of time or cannot be had is recorded as that. The exit code is 1 where parity or equal bits fail or were not shown.
#
#   VIMPS_DATA=DIR       a folder with cifar10, for the search at full schedule
#   VIMPS_BUDGET=570     seconds in all; more let a slow card finish the search
#   VIMPS_BUNDLE=DIR     in place of build/gpu
#   VIMPS_LIBNCCL=FILE   in place of libnccl.so.2
#   PYTHON=python3       a Python with torch, for cuDNN's and PyTorch's side
#   --quick              tiny shapes: it exercises this script (on the simulated GPU), the numbers mean nothing
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

quick='' out='' work=build/gpu-run
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=--quick ;;
	--out) out=${2:?--out needs a folder} && shift ;;
	--work) work=${2:?--work needs a folder} && shift ;;
	*) echo "gpu.sh: unknown argument $1; see the head of the file" >&2 && exit 2 ;;
	esac
	shift
done
bundle=${VIMPS_BUNDLE:-build/gpu}
python=${PYTHON:-python3}
budget=${VIMPS_BUDGET:-570}
case $budget in '' | *[!0-9]*) echo "gpu.sh: VIMPS_BUDGET=$budget: want seconds" >&2 && exit 2 ;; esac
reserve=10 # seconds to put the results together
mkdir -p "$work" && work=$(cd "$work" && pwd) || exit 1
rm -rf "$work"/{parts.tsv,machine.tsv,measured.json,torch.json,layers.json,ranks,runs,logs,bin}
mkdir -p "$work/logs" "$work/runs" "$work/ranks"
: >"$work/parts.tsv"

say() { echo "gpu.sh: $*" >&2; }
record() { printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$(printf %s "$5" | tr '\t\n' '  ' | cut -c 1-400)" >>"$work/parts.tsv"; }
left_out() {
	say "**** NOT MEASURED: $1: $2"
	record "$1" -1 0 0 "$2"
}
# part NAME SECONDS COMMAND...: runs it with a time limit, its output in logs/NAME.log.
part() {
	local name=$1 limit=$2 log rc=0 from=$SECONDS why=''
	shift 2
	log="$work/logs/${name// /-}.log"
	local rest=$((budget - reserve - SECONDS))
	[ "$limit" -le "$rest" ] || limit=$rest
	if [ "$limit" -lt 1 ]; then
		left_out "$name" 'no time was left'
		return 1
	fi
	say "$name (at most $limit s)"
	timeout --signal=INT --kill-after=10 "$limit" "$@" >"$log" 2>&1 || rc=$?
	if [ $rc != 0 ]; then # what went wrong first, else what was said last
		why=$(grep -m 1 -E '^ *(panic:|--- FAIL|vimps-gpu:|[A-Za-z]*Error:|========= [A-Z][a-z]+ .*(error|hazard|write|read))' "$log" || grep -v '^[[:space:]]*$' "$log" | tr '\r' '\n' | tail -n 1)
	fi
	[ $rc = 0 ] || say "**** $name: exit code $rc: $why"
	record "$name" $rc $((SECONDS - from)) "$limit" "$why"
	return $rc
}
fact() { printf '%s\t%s\n' "$1" "$(printf %s "$2" | tr '\t\n' '  ')" >>"$work/machine.tsv"; }

# The program and the tests, packed or not.
programs='vimps-gpu cuda.test nn.test onesot.test'
complete() {
	local p
	for p in $programs; do
		[ -x "$1/$p" ] || [ -f "$1/$p.gz" ] || return 1
	done
}
if ! complete "$bundle"; then
	command -v go >/dev/null || { say "$bundle does not hold $programs, and go is missing: run make gpu-bundle where Go and nvcc are, and copy build/gpu here"; exit 1; }
	make --no-print-directory gpu-bundle >&2 || { say 'make gpu-bundle failed'; exit 1; }
	bundle=build/gpu
fi
# vimps-gpu-mpi is the same program linked to MPI. It is there only where the bundle was made beside an MPI, and all but scaling does
# without it, as vimps-gpu needs no MPI to start.
mpi=
[ ! -e "$bundle/vimps-gpu-mpi" ] && [ ! -e "$bundle/vimps-gpu-mpi.gz" ] || mpi=vimps-gpu-mpi
mkdir -p "$work/bin"
for p in $programs $mpi; do
	if [ -x "$bundle/$p" ]; then
		ln -sf "$(cd "$bundle" && pwd)/$p" "$work/bin/$p"
	else
		gzip -dc "$bundle/$p.gz" >"$work/bin/$p" && chmod +x "$work/bin/$p" || { say "$bundle/$p.gz cannot be unpacked"; exit 1; }
	fi
done
program=$work/bin/vimps-gpu
"$program" version >&2 || { say "$program does not run on this machine"; exit 1; }

# The machine. nvidia-smi counts GPUs by the bus; let the driver do so too.
export CUDA_DEVICE_ORDER=PCI_BUS_ID
commit=$(cat "$bundle/commit" 2>/dev/null || git describe --always --dirty 2>/dev/null || echo unknown)
: >"$work/machine.tsv"
[ -z "$quick" ] || fact quick true
fact date "$(date -u +%Y-%m-%dT%H:%MZ)"
fact commit "$commit"
now=$(git describe --always --dirty 2>/dev/null || echo "$commit")
if [ "$now" != "$commit" ]; then
	fact bundle "built from $commit, but the tree of gpu.sh and gpu_torch.py is $now"
	say "note: the bundle was built from $commit, the tree is $now"
fi
fact cpu "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs"
card=$("$program" devices | sed -n 's/^gpu:0: //p')
fact gpu "${card%%,*}"
usable=$("$program" devices | grep '^gpu:[0-9]' | grep -vc 'cannot be used')
fact gpus "$usable that can be used"
simulated=
if [ -n "${VIMPS_LIBCUDA:-}" ] || [[ $card == Simulated* ]]; then
	simulated=true
	fact simulated true
	say 'SIMULATED: the driver is not that of a GPU; no speed can be told'
fi
if [ -z "$simulated" ] && command -v nvidia-smi >/dev/null; then
	query() { nvidia-smi --id=0 --query-gpu="$1" --format=csv,noheader 2>&1; }
	fact driver "$(query driver_version)"
	fact clocks "$(query clocks.max.sm,clocks.max.mem,clocks.current.sm)"
	fact 'power limit' "$(query power.limit)"
	fact 'in use by' "$(nvidia-smi --id=0 --query-compute-apps=pid,used_memory --format=csv,noheader 2>&1)"
fi
if [ -z "$card" ]; then
	"$program" devices >&2
	say 'there is no GPU'
	exit 1
fi

# Parity: these tests compare every op, a child's integer logits and training steps with the host. One that is skipped has shown
# nothing. The mutation test is about the simulator: it takes barriers out of kernels.
parity() { # PACKAGE SECONDS TESTS
	local log="$work/logs/parity-$1.log" passed skipped shown=0 precision missing=''
	part "parity $1" "$2" env -C "$1" "$work/bin/$1.test" -test.v -test.run "$3" -test.skip '^TestSimMutations$' -test.timeout 10m || return
	passed=$(grep -cE '^--- PASS: Test(Sim|Small|.*OnGPU)' "$log")
	skipped=$(grep -c -- '--- SKIP: ' "$log")
	if [ "$passed" = 0 ] || [ "$skipped" != 0 ]; then
		shown=1
		say "**** parity was not shown: $passed tests passed, $skipped were skipped: $(grep -A 3 -- '--- SKIP: ' "$log" | head -n 8 | tr '\n' ' ')"
	fi
	for precision in bf16 tf32; do # nn's test is one for both; --quick has one of tf32 only
		[ -n "$quick" ] || [ "$1" = nn ] || grep -q -- "--- PASS: .*$precision" "$log" || missing+="; none in $precision"
	done
	if [ -n "$missing" ]; then
		shown=-1
		say "**** NOT MEASURED: parity $1 in both precisions$missing"
	fi
	sed -i "s/^parity $1\t0\t\([^\t]*\t[^\t]*\)\t.*/parity $1\t$shown\t\1\t$passed tests on the ${simulated:+simulated }GPU passed, $skipped skipped$missing${quick:+; --quick leaves most out}/" "$work/parts.tsv"
}
if [ -z "$quick" ]; then
	parity cuda 120 '^Test(Sim|Small)|OnGPU$'
	parity nn 20 Sim
	parity onesot 40 Sim
else
	parity cuda 300 '^TestSmallLoss$'
	parity nn 300 Sim
	parity onesot 300 '^TestSimStepFollowsHost$/tf32_vimps'
fi

# Our side of every measurement.
limit=180
[ -z "$quick" ] || limit=300
part measure $limit "$program" bench gpu --out "$work/measured.json" --layers "$work/layers.json" --commit "$commit" --budget $((limit - 20)) $quick

# The other side.
if ! command -v "$python" >/dev/null; then
	left_out torch "there is no $python: cuDNN and PyTorch were not measured, so no ratio to them is known"
elif ! "$python" -c 'import torch' 2>/dev/null; then
	left_out torch "$python has no torch: cuDNN and PyTorch were not measured, so no ratio to them is known"
elif ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())' 2>/dev/null; then
	left_out torch "torch of $python sees no GPU: cuDNN and PyTorch were not measured, so no ratio to them is known"
elif [ ! -f "$work/layers.json" ]; then
	left_out torch 'bench gpu left no list of layers: no ratio to cuDNN and PyTorch is known'
else
	part torch 200 "$python" bench/gpu_torch.py --layers "$work/layers.json" --out "$work/torch.json" --seconds 130
fi

# compute-sanitizer on tests of the fused kernels, and on steps, convolutions and mixes of tiny shapes.
few='^(TestSimUnit|TestSimMix|TestSmallLoss|TestSmallOptimizers)$'
sanitize() {
	compute-sanitizer --tool "$1" --error-exitcode 99 "$work/bin/cuda.test" -test.run "$few" &&
		compute-sanitizer --tool "$1" --error-exitcode 99 "$program" bench gpu --quick --out "$work/logs/quick.json"
}
export -f sanitize
export program work few
for tool in memcheck racecheck; do
	if command -v compute-sanitizer >/dev/null; then
		part $tool 45 bash -c "sanitize $tool"
	else
		left_out $tool 'compute-sanitizer is not on PATH'
	fi
done

# Several GPUs, a process each: weak scaling, with a micro-batch of the same size on each, and strong scaling, with the same step.
# Every process has the same share of the CPUs, however many there are.
nccl() {
	local dir paths=${LD_LIBRARY_PATH:-}
	[ -z "${VIMPS_LIBNCCL:-}" ] || return 0
	for dir in ${paths//:/ }; do
		[ ! -e "$dir/libnccl.so.2" ] || return 0
	done
	{ ldconfig -p || /sbin/ldconfig -p; } 2>/dev/null | grep 'libnccl\.so\.2' >/dev/null
}
ranks() { # KIND NET IMAGES GPUS MICROS: IMAGES and MICROS are of the whole job
	local windows=(--steps 16 --windows 9)
	[ -z "$quick" ] || windows=(--steps 1 --windows 1)
	part "ranks $2 $1 $4" 40 mpirun -np "$4" --bind-to none "$work/bin/$mpi" bench ranks --model "$2" --batch "$3" --micro-batches "$5" \
		--precision bf16 --threads $((most > $(nproc) ? 1 : $(nproc) / most)) "${windows[@]}" --out "$work/ranks/$2-$1-$4.json"
}
most=1
while [ $((2 * most)) -le "$usable" ] && [ $most -lt 8 ]; do most=$((2 * most)); done
if [ "$usable" -lt 2 ]; then
	left_out ranks "this machine has $usable GPU that can be used; scaling needs two"
elif ! command -v mpirun >/dev/null; then
	left_out ranks 'mpirun is not on PATH'
elif ! nccl; then
	left_out ranks 'there is no libnccl.so.2 (Debian: libnccl2; PyPI: nvidia-nccl-cu13); VIMPS_LIBNCCL=FILE names one'
elif [ -z "$mpi" ]; then
	left_out ranks 'the bundle holds no vimps-gpu-mpi: make gpu-bundle makes it where MPI is installed'
elif ! "$work/bin/$mpi" version >"$work/logs/mpi.log" 2>&1; then
	left_out ranks "vimps-gpu-mpi does not start here, its MPI is another: $(tail -n 1 "$work/logs/mpi.log")"
else
	if [ "$(id -u)" = 0 ]; then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
	export OMPI_MCA_rmaps_base_oversubscribe=1 PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe # fewer cores than GPUs, or a container
	[ -n "$simulated" ] || nvidia-smi topo -m >"$work/logs/topology.log" 2>&1
	cases='resnet18:64 resnet20:128'
	[ -z "$quick" ] || cases='digitsnet:8'
	for case in $cases; do
		net=${case%:*} images=${case#*:}
		for ((n = 1; n <= most; n *= 2)); do
			ranks weak "$net" $((n * images)) $n $n || break
		done
		for ((n = 1; n <= most; n *= 2)); do
			ranks strong "$net" $((most * images)) $n $most || break
		done
	done
fi

# Whole runs: digits here and on the host, then CIFAR-10 at a full schedule.
if [ -n "$quick" ]; then
	left_out 'search digits-gpu' '--quick'
	left_out 'search digits-host' '--quick'
	left_out 'search cifar10' '--quick'
else
	digits=(search --model digitsnet --data digits)
	part 'search digits-gpu' 40 "$program" "${digits[@]}" --device gpu:0 --out "$work/runs/digits-gpu"
	part 'search digits-host' 60 "$program" "${digits[@]}" --device host --out "$work/runs/digits-host"
	if [ -d "${VIMPS_DATA:-}/cifar10" ]; then
		part 'search cifar10' "$budget" "$program" search --model resnet20 --data "cifar10:$VIMPS_DATA/cifar10" --device gpu:0 --precision bf16 --out "$work/runs/cifar10"
	else
		left_out 'search cifar10' 'VIMPS_DATA names no folder with cifar10: the search at a full schedule was not run'
	fi
fi

# All of it, with a verdict beside each bar.
if [ -z "$out" ]; then
	out=bench/results
	[ -z "$simulated$quick" ] || out=$work
fi
mkdir -p "$out"
"$program" bench gpu-report --work "$work" --out "$out"
rc=$?
say "$SECONDS s in all; logs in $work/logs"
exit $rc
