#!/bin/sh
# Start one worker for each visible GPU, restricted to that GPU: gpu-workers.sh POOL. On SIGTERM the workers finish their runs.
set -eu
pool=$1
workers=
for gpu in $(nvidia-smi --query-gpu=index --format=csv,noheader); do
    # a shell starts programs in the background with SIGINT ignored, the signal by which Prefect ends a worker after SIGTERM
    env --default-signal=INT CUDA_VISIBLE_DEVICES="$gpu" prefect worker start --pool "$pool" --name "$(hostname)-gpu$gpu" --limit 1 &
    workers="$workers $!"
done
[ -n "$workers" ] || { echo "gpu-workers.sh: nvidia-smi sees no GPU" >&2; exit 1; }
# shellcheck disable=SC2086  # a list of processes
trap 'kill -TERM $workers; wait' TERM INT
wait
