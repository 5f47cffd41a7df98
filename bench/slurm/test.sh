#!/bin/bash
# test.sh: array.sh and search.sh on the Slurm of the distribution, one node whose daemons listen on loopback; see test-slurm in the
# Makefile. It installs what is missing where it may, and leaves /etc/slurm and a Slurm that runs here alone. Where the test cannot be
# had it says so and leaves it out; with CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Containers often forbid the system call by which Open MPI copies between processes of a host.
export OMPI_MCA_btl_vader_single_copy_mechanism=none

leave_out() {
	echo "**** LEFT OUT: the jobs of bench/slurm were not run by Slurm: $1" >&2
	[[ ${CI:-} != true ]] || exit 1
	exit 0
}

PATH=$PATH:/usr/sbin:/sbin # where the daemons are, for users who are not root too
need() {
	for command in munged slurmctld slurmd sbatch srun pkg-config; do
		command -v "$command" >/dev/null || echo "$command"
	done
	pkg-config --exists ompi-c 2>/dev/null || echo 'Open MPI'
}
packages=(slurm-wlm munge libopenmpi-dev openmpi-bin pkg-config)
if [[ -n $(need) ]]; then
	[[ $(id -u) = 0 ]] || leave_out "missing: $(need | xargs) (Debian: apt-get install ${packages[*]})"
	command -v apt-get >/dev/null || leave_out "missing: $(need | xargs), and there is no apt-get here to install ${packages[*]}"
	log=$(DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}" 2>&1) ||
		log=$(apt-get update -q 2>&1 && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${packages[@]}" 2>&1) ||
		leave_out "apt-get install ${packages[*]}: $(grep '^E: ' <<<"$log" | tail -1)"
	[[ -z $(need) ]] || leave_out "missing after apt-get install ${packages[*]}: $(need | xargs)"
fi

tmp=$(mktemp -d)
host=$(hostname -s)
daemons=()
finish() {
	code=$?
	trap '' INT TERM
	if [[ ${#daemons[@]} -gt 0 ]]; then
		scancel --me --full --signal=KILL 2>/dev/null || true
		scancel --me 2>/dev/null || true
		for ((i = 0; i < 100; i++)); do
			[[ -n $(squeue --me --noheader 2>/dev/null) ]] || break
			sleep 0.1
		done
		kill "${daemons[@]}" 2>/dev/null || true
		wait
	fi
	if [[ $code != 0 ]]; then
		tail -n 40 "$tmp"/*.log >&2 || true
		echo "bench/slurm/test.sh: FAILED${doing:+: $doing}" >&2
	fi
	rm -rf "$tmp"
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
	echo "$1" >&2
	exit 1
}

# until_true COMMAND...: waits for it, two minutes at most.
until_true() {
	local end=$((SECONDS + 120))
	until "$@"; do
		[[ $SECONDS -lt $end ]] || fail "waited 120 s for: $*"
		sleep 0.1
	done
}

free_port() {
	local port
	while port=$((20000 + RANDOM % 10000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

doing='starting munged, slurmctld and slurmd'
umask 022
head -c 1024 /dev/urandom >"$tmp/munge.key"
chmod 400 "$tmp/munge.key"
mkdir "$tmp/state" "$tmp/spool"
# Two CPUs, whatever there are; no cgroups. A job that is put back waits until its credential has expired: by default two minutes.
cat >"$tmp/slurm.conf" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(free_port)
SlurmdPort=$(free_port)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$tmp/munge.socket,cred_expire=5
StateSaveLocation=$tmp/state
SlurmdSpoolDir=$tmp/spool
SlurmctldPidFile=$tmp/slurmctld.pid
SlurmdPidFile=$tmp/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,sched_min_interval=100000
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=2
PartitionName=test Nodes=$host Default=YES
END
echo CgroupPlugin=cgroup/v1 >"$tmp/cgroup.conf" # or slurmd looks for cgroups, and does not start where there are none
unset "${!SLURM_@}" "${!SBATCH_@}" "${!SRUN_@}" "${!SQUEUE_@}" "${!SCANCEL_@}" "${!SINFO_@}" # of a job that this may run in
export SLURM_CONF=$tmp/slurm.conf
# The key is this test's own, so it does not matter who else may look into the directories above: --force.
munged --foreground --force --key-file="$tmp/munge.key" --socket="$tmp/munge.socket" --pid-file="$tmp/munged.pid" \
	--log-file="$tmp/munged.log" --seed-file="$tmp/munged.seed" >"$tmp/munged.log" 2>&1 &
daemons+=($!)
alive() {
	for pid in "${daemons[@]}"; do kill -0 "$pid" 2>/dev/null || fail 'a daemon has ended'; done
}
has_socket() { alive && [[ -S $tmp/munge.socket ]]; }
until_true has_socket
slurmctld -D >"$tmp/slurmctld.log" 2>&1 &
daemons+=($!)
slurmd -D >"$tmp/slurmd.log" 2>&1 &
daemons+=($!)
node_is_idle() { alive && [[ $(sinfo --noheader --format=%T 2>/dev/null) = idle ]]; }
until_true node_is_idle
srun --mpi=list 2>&1 | grep -qw pmix || leave_out "$(srun --version) has no pmix, which Open MPI wants (srun --mpi=list)"

doing='building the program with MPI'
go build -tags mpi -o "$tmp/vimps-gpu" ./cli/vimps-gpu
export VIMPS_GPU=$tmp/vimps-gpu

# state JOB: of its tasks, such as RUNNING or FAILED.
state() { scontrol --oneliner show job "$1" | grep -o ' JobState=[A-Z_]*' | cut -d= -f2 | sort -u | xargs; }
ended() { ! [[ $(state "$1") =~ PENDING|RUNNING|COMPLETING|CONFIGURING ]]; }
must_end() { # must_end JOB STATE
	until_true ended "$1"
	[[ $(state "$1") = "$2" ]] || fail "job $1 is $(state "$1"), want $2"
}
submit() { sbatch --parsable --cpus-per-task=1 --output="$tmp/%x-%A_%a.log" "$@"; }

doing='an experiment as an array, a shard killed and repeated'
export VIMPS_OUT=$tmp/sharded
file=bench/slurm/test.toml
jobs=$(bench/slurm/array.sh "$file" 2 --cpus-per-task=1 --output="$tmp/%x-%A_%a.log")
[[ $jobs =~ ^searches\ ([0-9]+),\ fine-tunings\ ([0-9]+),\ merge\ ([0-9]+)$ ]] || fail "array.sh says $jobs"
search=${BASH_REMATCH[1]} finetune=${BASH_REMATCH[2]} merge=${BASH_REMATCH[3]}
until_true test -e "$VIMPS_OUT/shard-1-of-2/units/search-spos-s2.json" # oneshot's search is next
scancel --signal=KILL "${search}_1.0"
must_end "${search}_0" COMPLETED
must_end "${search}_1" FAILED
must_end "$finetune" CANCELLED
must_end "$merge" CANCELLED
[[ ! -e $VIMPS_OUT/shard-1-of-2/units/search-oneshot-s2.json ]] || fail 'shard 1 was killed when it had done its searches'
again=$(submit --array=1 bench/slurm/array.sh "$file" 2)
must_end "$again" COMPLETED
again=$(submit --array=0-1 bench/slurm/array.sh "$file" 2 finetune)
must_end "$again" COMPLETED
again=$(submit bench/slurm/array.sh "$file" 2 merge)
must_end "$again" COMPLETED
"$VIMPS_GPU" bench run --out "$tmp/undivided" "$file" >"$tmp/undivided.log" 2>&1
# Times are in search-time, in times.json and units, and in a table of results.md; all numbers but these are in results.json.
diff -r -x lock -x times.json -x 'search-*' -x units -x fp32 -x results.md -x 'shard-*' "$tmp/undivided" "$VIMPS_OUT"
echo 'slurm: an array of two shards, one of them killed and repeated, has the results of an undivided run'

doing='a search by two tasks of srun'
args=(--model digitsnet --data digits --epochs 12 --pretrain-epochs 2 --etas 8 --micro-batches 4 --pretrain-micro-batches 4)
args+=(--threads 1 --save-every 5)
"$VIMPS_GPU" search --out "$tmp/one" "${args[@]}" >"$tmp/one.log" 2>&1
srun --mpi=pmix --ntasks=2 "$VIMPS_GPU" search --out "$tmp/two" "${args[@]}" >"$tmp/two.log" 2>&1
same_run() {
	for name in state.safetensors front.json predictions.json metrics.jsonl; do
		cmp "$tmp/one/$name" "$1/$name"
	done
}
same_run "$tmp/two"
grep -q '^job: 2 processes' "$tmp/two.log" || fail 'it says nothing of two processes'
echo 'slurm: a search by two tasks of srun --mpi=pmix has the bits of one process'

doing='srun that tells MPI nothing'
! srun --mpi=none --ntasks=2 "$VIMPS_GPU" search --out "$tmp/none" "${args[@]}" >"$tmp/none.log" 2>&1 || fail 'it ended well'
grep -q '^vimps-gpu: .*srun --mpi=pmix' "$tmp/none.log" || fail 'it does not say what to do'

doing='a search by sbatch that is told to stop, put back by its script, and loses a task'
searching=$tmp/search.log
sbatch_search() { submit --ntasks=2 --output="$searching" bench/slurm/search.sh "$tmp/three" "${args[@]}"; }
epochs() { grep -qs "^search $1/12 " "$searching"; }
job=$(sbatch_search)
until_true epochs 2
scancel --signal=TERM "$job" # as Slurm does before the limit, to the program and not to the script
requeued() { [[ $(scontrol show job "$job") = *" Restarts=1 "* ]]; }
until_true requeued
until_true epochs 7
victim=$(scontrol listpids "$job.0" | awk '$5 == 1 { print $1 }')
kill -KILL "$victim"
killed=$SECONDS
must_end "$job" FAILED
[[ $((SECONDS - killed)) -le 8 ]] || fail "the job ended $((SECONDS - killed)) s after one of its tasks"
grep -q "^vimps-gpu: rank 1 on host $host.* died" "$searching" || fail 'it does not name rank and host'
[[ ! -e $tmp/three/front.json ]] || fail 'the search was through when its task was killed'
job=$(sbatch_search)
must_end "$job" COMPLETED
same_run "$tmp/three"
echo 'slurm: a search that was stopped, put back into the queue, killed and submitted again has the same bits'
