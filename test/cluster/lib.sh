# shellcheck shell=bash disable=SC2034  # sourced by the other scripts, which use what is set here
set -euo pipefail
export LC_ALL=C CONTAINERD_SUPPRESS_DEPRECATION_WARNINGS=1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/secretctl-test

die() { echo "$(basename "$0"): $*" >&2; exit 1; }
say() { printf '%3d s  %s\n' "$SECONDS" "$*" >&2; }

# An instance has a name, from which all that it uses on this machine follows.
instance=${SECRETCTL_CLUSTER:-default}
[[ $instance =~ ^[a-z0-9]{1,10}$ ]] || die "SECRETCTL_CLUSTER: at most ten letters and digits"
id=sctl-$instance                # the veth and the cgroup
number=$(($(cksum <<<"$instance" | cut -d' ' -f1) % 250 + 1))

run=/run/$id                     # process ids, sockets, namespaces: exists while the cluster does
dir=$cache/cluster-$instance     # the rest; it stays for a look until the next up
bin=$dir/bin conf=$dir/conf log=$dir/log pki=$dir/pki state=$dir/state
azure=$dir/azure                 # what clients of Azure need
mount_ns=$run/mnt net_ns=$run/net azure_ns=$run/azure

subnet=10.91.$number
host_ip=$subnet.1 node_ip=$subnet.2
vault_ip=$subnet.3               # apart from the host's, so that a route can cut off Vault alone
azure_ip=$subnet.4               # in a namespace of its own, behind the node
vault_loopback=127.91.$number.1  # where secretctl may send secrets without TLS
pods=10.245.$number services=10.96.0
node=node1 api=https://$node_ip driver=secrets-store.csi.k8s.io

# The cgroups of the pods, of version 2 or 1.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  cgroups=("/sys/fs/cgroup/$id")
else
  cgroups=(/sys/fs/cgroup/*/)
  cgroups=("${cgroups[@]/%/$id}")
fi

export PATH=$bin:$PATH KUBECONFIG=$dir/kubeconfig KUBECACHEDIR=$state/kubectl
export VAULT_ADDR=http://$vault_loopback:8200 VAULT_TOKEN=root

on_node() { nsenter --net="$net_ns" --mount="$mount_ns" "$@"; }
containerd_do() { ctr --address="$run/containerd.sock" --namespace=k8s.io "$@"; }
driver_registered() { [ "$(kubectl get csinode $node -o jsonpath='{.spec.drivers[*].name}')" = $driver ]; }
