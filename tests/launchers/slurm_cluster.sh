#!/bin/sh
# A SLURM cluster of this machine alone, from Debian's packages slurm-wlm and munge; needs root, no systemd.
#   slurm_cluster.sh up FOLDER     # starts it, with its configuration, logs and state in FOLDER
#   SLURM_CONF=FOLDER/slurm.conf sbatch ...
#   slurm_cluster.sh down FOLDER   # ends what was started
set -eu
action=$1
folder=$2

up() {
    mkdir -p "$folder/state" "$folder/spool"
    install -d -o munge -g munge -m 755 /run/munge
    # A munge that runs already is used, and left alone.
    if ! timeout 5 sh -c 'munge -n | unmunge' >/dev/null 2>&1; then
        runuser -u munge -- munged --pid-file=/run/munge/mixlab.pid
        touch "$folder/munged-is-ours"
    fi
    host=$(hostname -s)
    cat >"$folder/slurm.conf" <<END
ClusterName=mixlab
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmctldPort=26817
SlurmdPort=26818
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
END
    slurmctld -f "$folder/slurm.conf"
    slurmd -f "$folder/slurm.conf"
    export SLURM_CONF="$folder/slurm.conf"
    for _ in $(seq 60); do
        [ "$(timeout 5 sinfo -h -o %t 2>/dev/null)" = idle ] && exit 0
        sleep 1
    done
    echo "The node did not become idle within a minute; see $folder/slurmctld.log and slurmd.log." >&2
    exit 1
}

down() {
    for daemon in slurmd slurmctld; do
        [ -f "$folder/$daemon.pid" ] && kill "$(cat "$folder/$daemon.pid")" || true
    done
    if [ -f "$folder/munged-is-ours" ]; then
        kill "$(cat /run/munge/mixlab.pid)" || true
    fi
}

case $action in
    up | down) "$action" ;;
    *) echo "usage: slurm_cluster.sh up|down FOLDER" >&2; exit 2 ;;
esac
