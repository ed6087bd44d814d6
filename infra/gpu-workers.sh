#!/bin/sh
# A worker for each GPU that is seen, each with that one alone: gpu-workers.sh POOL. Told to stop, they finish what they have.
set -eu
pool=$1
workers=
for gpu in $(nvidia-smi --query-gpu=index --format=csv,noheader); do
    CUDA_VISIBLE_DEVICES=$gpu prefect worker start --pool "$pool" --name "$(hostname)-gpu$gpu" --limit 1 &
    workers="$workers $!"
done
[ -n "$workers" ] || { echo "gpu-workers.sh: nvidia-smi sees no GPU" >&2; exit 1; }
# shellcheck disable=SC2086  # a list of processes
trap 'kill -TERM $workers; wait' TERM INT
wait
