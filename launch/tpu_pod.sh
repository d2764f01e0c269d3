#!/usr/bin/env bash
# Trains on all hosts of a TPU pod:  NAME=my-pod ZONE=us-central2-b launch/tpu_pod.sh
#
# Once, on all hosts, with the same gcloud line: clone, python3 -m venv .venv, pip install -e '.[tpu]'.
# Traps:
# - The workdir must be the same directory on all hosts: mount Filestore (NFS), not a disk of one.
# - One process a host, on all of them: without --worker=all they wait for the others until
#   --initialization_timeout.
# - A process that still holds the TPU (of an earlier ssh that was cut off) refuses it to the next:
#   end it with  pkill -TERM -f launch.train  by the same line; it saves first.
# - Preemption gives 30 s: SIGTERM, in which all hosts save; the same line goes on from there.
# - TPUs have no complex128: points are sampled on the hosts, certificates are in single precision.
set -euo pipefail
config=${CONFIG:-configs/fermat_quintic.py}
workdir=${WORKDIR:-/mnt/shared/runs/fermat_quintic}

gcloud compute tpus tpu-vm ssh "$NAME" --zone="$ZONE" --worker=all --command="cd ricciflat && exec .venv/bin/python -m launch.train --config=$config --workdir=$workdir"
