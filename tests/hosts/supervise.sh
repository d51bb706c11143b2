#!/bin/sh
# Runs one test host; see boot.py. Is the first process of its process namespace: when it ends, the host ends.
# usage: supervise.sh BASE ROOT SEED MACHINE BRIDGE CGROUP...
set -eu
trap 'echo "supervisor: ends with $?" >&2' EXIT
base=$1 root=$2 seed=$3 machine=$4 bridge=$5
shift 5
for group in "$@"; do
    mkdir -p "$group"
    echo 0 >"$group/cgroup.procs"
done
# In memory: a host lives for minutes, and no fsync has to wait for the machine's disk.
mount -t tmpfs -o mode=0755,size=4g "openkes" "$root"
mkdir "$root/upper" "$root/work" "$root/tree"
mount -t overlay -o "lowerdir=$base,upperdir=$root/upper,workdir=$root/work" overlay "$root/tree"
cp -a "$seed/." "$root/tree/"
status=133
# 133: the host asked for a reboot and nspawn, told to keep its unit, leaves it to whoever started it.
while [ "$status" -eq 133 ]; do
    status=0
    systemd-nspawn --quiet --directory="$root/tree" --boot --network-bridge="$bridge" --machine="$machine" \
        --register=no --keep-unit --console=passive --link-journal=no --resolv-conf=off --timezone=off || status=$?
done
exit "$status"
