#!/bin/bash
# An experiment as a Slurm array, a shard a task.
#
#     bench/slurm/array.sh FILE N [SBATCH-OPTION...]           submits everything: searches, fine-tunings, merge
#     sbatch --array=2 bench/slurm/array.sh FILE N             does the searches of shard 2 alone, or goes on with them
#     sbatch --array=2 bench/slurm/array.sh FILE N finetune    its fine-tunings
#     sbatch bench/slurm/array.sh FILE N merge
#
# FILE and N may stand in the environment instead. VIMPS_GPU is the program (vimps-gpu), VIMPS_OUT a directory for the
# results in place of the one that FILE names.
#SBATCH --job-name=vimps-bench
#SBATCH --output=%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --time=04:00:00
#SBATCH --cpus-per-task=4
#SBATCH --signal=TERM@60
#SBATCH --requeue
set -euo pipefail

usage() {
	echo "array.sh: $1; usage: array.sh FILE N [search|finetune|merge] or array.sh FILE N [SBATCH-OPTION...]" >&2
	exit 2
}

if [[ $# -gt 0 && $1 != -* ]]; then
	[[ $# -ge 2 ]] || usage "no N"
	FILE=$1 N=$2
	shift 2
fi
[[ -n ${FILE:-} ]] || usage "no FILE"
[[ ${N:-} =~ ^[1-9][0-9]*$ ]] || usage "N is '${N:-}', want a number of shards"

stage=
case ${1:-} in
	search | finetune | merge) stage=$1 && shift ;;
esac
if [[ -z $stage && -n ${SLURM_ARRAY_TASK_ID:-} ]]; then
	stage=search
fi

# Without a stage: submit all, each after what it needs.
if [[ -z $stage ]]; then
	shards=0-$((N - 1))
	after=(--kill-on-invalid-dep=yes)
	search=$(sbatch --parsable --array="$shards" "$@" "$0" "$FILE" "$N" search)
	search=${search%%;*} # a cluster's name may follow
	finetune=$(sbatch --parsable --array="$shards" "${after[@]}" --dependency=afterok:"$search" "$@" "$0" "$FILE" "$N" finetune)
	finetune=${finetune%%;*}
	merge=$(sbatch --parsable --output=%x-merge-%j.log "${after[@]}" --dependency=afterok:"$finetune" "$@" "$0" "$FILE" "$N" merge)
	echo "searches $search, fine-tunings $finetune, merge ${merge%%;*}"
	exit
fi

program=${VIMPS_GPU:-vimps-gpu}
out=()
[[ -z ${VIMPS_OUT:-} ]] || out=(--out "$VIMPS_OUT")

if [[ $stage == merge ]]; then
	exec "$program" bench merge "${out[@]}" --shards "$N" "$FILE"
fi
[[ -n ${SLURM_ARRAY_TASK_ID:-} ]] || usage "a shard is a task of an array: sbatch --array=I"

flags=()
[[ $stage != finetune ]] || flags=(--finetune)
code=0
srun --ntasks=1 --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
	"$program" bench run "${out[@]}" --shard "$SLURM_ARRAY_TASK_ID/$N" "${flags[@]}" "$FILE" || code=$?
if [[ $code -eq 130 ]]; then # the limit is near and the state is saved
	scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
