#!/bin/bash
# One search whose steps several GPUs share, on one node or more: one task a GPU.
#
#     sbatch --nodes=2 --ntasks-per-node=4 --gpus-per-node=4 bench/slurm/search.sh OUT [FLAG-OF-SEARCH...]
#
# A run that is in OUT already is gone on with. VIMPS_GPU is the program (vimps-gpu), VIMPS_MPI what srun starts it by (pmix).
#SBATCH --job-name=vimps-search
#SBATCH --output=%x-%j.log
#SBATCH --open-mode=append
#SBATCH --time=04:00:00
#SBATCH --cpus-per-task=4
#SBATCH --signal=TERM@60
#SBATCH --requeue
set -euo pipefail

OUT=${1:-${OUT:-}}
if [[ -z $OUT || $OUT == -* ]]; then
	echo "search.sh: no OUT; usage: sbatch --ntasks=GPUS search.sh OUT [FLAG-OF-SEARCH...]" >&2
	exit 2
fi
[[ $# -eq 0 ]] || shift

resume=()
[[ ! -e $OUT/run.json ]] || resume=(--resume)
code=0
srun --mpi="${VIMPS_MPI:-pmix}" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
	"${VIMPS_GPU:-vimps-gpu}" search --out "$OUT" "${resume[@]}" "$@" || code=$?
if [[ $code -eq 130 ]]; then # the limit is near and the state is saved
	scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
