#!/bin/bash
# A sweep as a Slurm job: a Ray cluster over the job's nodes, for as long as the job lasts.
#
#   export CLIFFSWEEP_STORAGE=/shared/$USER/runs
#   sbatch docker/slurm.sh sweeps/cliff.yaml
#   sbatch --gpus-per-node=4 docker/slurm.sh sweeps/cliff.yaml --gpu 0.5
#
# What follows the script goes to `cliffsweep run`. Home, storage and this checkout are on a file
# system that all nodes share, `cliffsweep` and `ray` on the PATH. Out of time or preempted, running
# trials save themselves, the job is queued again, and the same command runs what is missing.

#SBATCH --job-name=cliffsweep
#SBATCH --nodes=4
#SBATCH --exclusive
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=08:00:00
#SBATCH --requeue
#SBATCH --signal=B:TERM@120

set -euo pipefail
: "${CLIFFSWEEP_STORAGE:?an absolute folder on a file system that all nodes share}"
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH:-$HOME/.config/cliffsweep/token}
export RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
head=$(getent ahostsv4 "$first" | awk 'NR == 1 {print $1}')
others=$((SLURM_JOB_NUM_NODES - 1))
start=(ray start --block --object-store-memory=134217728 "--num-cpus=$SLURM_CPUS_PER_TASK"
  "--num-gpus=${SLURM_GPUS_ON_NODE:-0}")

srun --nodes=1 --ntasks=1 --nodelist="$first" --overlap "${start[@]}" --head \
  "--node-ip-address=$head" --port=6379 --include-dashboard=false \
  "--temp-dir=/tmp/ray-$SLURM_JOB_ID" &
until ray health-check --address "$head:6379" >/dev/null 2>&1; do sleep 2; done
if ((others > 0)); then
  srun --nodes="$others" --ntasks="$others" --exclude="$first" --overlap "${start[@]}" \
    "--address=$head:6379" &
fi

# In the background, because bash hands on no signal while it waits for a command in front.
cliffsweep run "$@" --address "$head:6379" &
driver=$!
trap 'kill -TERM "$driver"; wait "$driver" || true; scontrol requeue "$SLURM_JOB_ID"' TERM
wait "$driver"
