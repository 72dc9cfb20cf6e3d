#!/usr/bin/env bash
# A sweep on Slurm, by Dask's own commands: one job for the scheduler and the sweep, an array of workers.
#
#   sbatch examples/slurm/sweep.sh strategies.yaml
#
# The folder that the job is submitted from has to be shared by all nodes, and has the environment
# with tfprune[sweep] in .venv. Workers begin with one cell each, in whatever order Slurm starts
# them. A sweep that ran out of time goes on when it is submitted again.
#SBATCH --job-name=tfprune-sweep
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=2-00:00:00
set -euo pipefail

file=$1
workers=${WORKERS:-100}      # array tasks, one cell at a time each
gpus=${GPUS_PER_WORKER:-1}   # 0 for CPUs alone
address_file="$PWD/scheduler-$SLURM_JOB_ID.json"
source .venv/bin/activate

dask scheduler --scheduler-file "$address_file" --port 0 --dashboard-address :0 &
scheduler=$!
until [ -s "$address_file" ]; do sleep 1; done

options=(--cpus-per-task=4 --mem=16G --time="${WORKER_TIME:-1-00:00:00}" --array="1-$workers")
if [ "$gpus" != 0 ]; then options+=(--gres="gpu:$gpus"); fi
array=$(sbatch --parsable --job-name=tfprune-worker "${options[@]}" --wrap \
  "source .venv/bin/activate
   export OMP_NUM_THREADS=4 TF_NUM_INTRAOP_THREADS=4
   exec dask worker --scheduler-file '$address_file' --nthreads 1 --memory-limit 0 --no-dashboard")

trap 'scancel "$array"; kill "$scheduler"; rm -f "$address_file"' EXIT
address=$(python -c 'import json, sys; print(json.load(open(sys.argv[1]))["address"])' "$address_file")
# MLFLOW_TRACKING_URI may name an MLflow server or database for many writers; the cells learn it from
# here. Without it, it is the SQLite file of this folder.
tfprune sweep "$file" --scheduler "$address"
