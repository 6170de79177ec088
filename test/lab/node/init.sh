#!/bin/sh
# The first process of the node's namespaces: it makes the mounts that are the node's own and then waits. When it ends,
# the kernel ends every process of the node and takes away every mount with it.
# Arguments: the lab's folder, the cache folder.
set -eu
lab=$1 cache=$2

mount --make-rprivate /
mount --make-rshared / # kubelet and containerd share what they mount
mount -t proc proc /proc

# What the node's programs write to is the lab's own, under the names that they are used to.
exec 8<"$lab" 9<"$cache" # either may be below one of these
for dir in /run /var/lib /var/log; do
	mount -t tmpfs -o mode=755 lab $dir
done
mkdir -p /run/etc/upper /run/etc/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work lab /etc # Docker leaves a key there
mkdir -p "$lab" "$cache"
mount --bind /proc/self/fd/8 "$lab"
mount --bind /proc/self/fd/9 "$cache"
for dir in /var/lib/containerd /var/lib/kubelet /var/lib/docker /var/log; do
	mkdir -p "$lab/node$dir" $dir
	mount --bind "$lab/node$dir" $dir
done
mkdir -p /var/lib/cni

# kubelet sets these for the whole machine, unless they already say what it wants.
setting() {
	echo "$2" >"/run/$1"
	mount --bind "/run/$1" "/proc/sys/$(echo "$1" | tr . /)"
}
setting vm.overcommit_memory 1
setting vm.panic_on_oom 0
setting kernel.panic 10
setting kernel.panic_on_oops 1
setting kernel.keys.root_maxkeys 1000000
setting kernel.keys.root_maxbytes 25000000
setting net.ipv4.ip_forward 1 # or Docker warns at every step that nothing gets out, as is meant

: >/run/lab-ready
while :; do
	sleep 86400 &
	wait # for it, and for all whose parents are gone
done
