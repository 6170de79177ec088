#!/usr/bin/env bash
# A nightly backup against real servers on this machine. `make demo` runs it from the top of the checkout.
set -euo pipefail

lab=bin/lab
dir=${LAB_DIR:-$PWD/.lab}

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n%s\n' "$*"; }

say "The lab: etcd, kube-apiserver, kube-controller-manager, an S3 server and a Bitwarden server, on loopback, with TLS"
"$lab" up --seed --backups --dir "$dir"
eval "$("$lab" env --dir "$dir")"
export XDG_STATE_HOME=$dir/state
export BWS_SERVER_URL=$LAB_BITWARDEN_URL HEALTHCHECKS_URL=$LAB_PING_URL

say "What the cluster has"
"$LAB_KUBECTL" get nodes,storageclasses --no-headers | awk '{print "  " $0}'
"$LAB_KUBECTL" get pv --no-headers | awk '{n++; s[$5]++} END {printf "  %d persistent volumes:", n; for (k in s) printf " %d %s", s[k], k; print ""}'

say "Two nights, so that there is something to prune"
for night in 1 2; do
	bin/plan apply examples/plans/backup.yaml --set keep=2 2>/dev/null | tail -n 1
	sleep 1
done

say "\$ plan apply examples/plans/backup.yaml --set keep=2"
bin/plan apply examples/plans/backup.yaml --set keep=2

say "\$ plan backup ls --plan examples/plans/backup.yaml"
bin/plan backup ls --plan examples/plans/backup.yaml

say "\$ plan run backup-node-token --path .../k3s/server/token --to-bitwarden-project homelab"
BWS_ACCESS_TOKEN=$LAB_BITWARDEN_TOKEN bin/plan run backup-node-token --cluster-name home --path "$LAB_NODE_TOKEN_FILE" --to-bitwarden-project homelab 2>/dev/null

say "Would I get my cluster back?  \$ plan apply examples/plans/verify.yaml"
bin/plan apply examples/plans/verify.yaml

say "Where to look"
cat <<EOF
  eval "\$($lab env --dir $dir)"            the lab's KUBECONFIG, S3 keys and CA
  "\$LAB_KUBECTL" get pv,pvc -A              what was backed up
  find $dir -name '*.json.gz'   the backups, as the S3 server keeps them
  tail -n 1 $LAB_PING_FILE     the ping
  bin/plan run list-pvs                     the volumes, as plan sees them
  make lab-down                             stops the servers
EOF
