package restoretest

import (
	"fmt"

	"plan/internal/kube"
)

// pair is a volume and the claim that it is bound to.
func (c *cluster) pair(i int) {
	namespace, claim, class := c.pick(c.namespaces), fmt.Sprintf("%s-%d", c.pick([]string{"data", "www-web.0", "x"}), i), c.anyClass()
	volume := c.volume(fmt.Sprintf("pair-%d", i), class, object{"namespace": namespace, "name": claim})
	spec := object{"volumeName": fmt.Sprintf("pair-%d", i), "storageClassName": class, "accessModes": volume["accessModes"], "volumeMode": volume["volumeMode"]}
	if class == "" && !c.defaults && c.IntN(2) == 0 {
		delete(spec, "storageClassName")
	}
	c.claim(claim, namespace, spec, c.pick([]string{"1Gi", "1073741824", "512Mi", "1"}))
}

func (c *cluster) claim(name, namespace string, spec object, size string) {
	meta := c.meta(name)
	meta["namespace"] = namespace
	spec["resources"] = object{"requests": object{"storage": size}}
	if spec["accessModes"] == nil {
		spec["accessModes"] = []any{"ReadWriteOnce"}
	}
	c.add(kube.Resource{Version: "v1", Resource: "persistentvolumeclaims", Namespace: namespace}, "PersistentVolumeClaim", name, object{"metadata": meta, "spec": spec})
}

// volume adds a volume and gives its spec.
func (c *cluster) volume(name, class string, claim object) object {
	meta := c.meta(name)
	spec := object{
		"capacity":                      object{"storage": c.pick([]string{"1Gi", "10Gi", "1500Mi"})},
		"accessModes":                   []any{c.pick([]string{"ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"})},
		"persistentVolumeReclaimPolicy": c.pick([]string{"Delete", "Delete", "Retain"}),
		"volumeMode":                    "Filesystem",
	}
	if class != "" {
		spec["storageClassName"] = class
	}
	if claim != nil {
		spec["claimRef"] = claim
	}
	if c.IntN(3) == 0 {
		spec["mountOptions"] = []any{"noatime", "a b", c.pick([]string{"x", "nfsvers=4.1"})}
	}
	c.source(name, meta, spec)
	c.add(kube.Resource{Version: "v1", Resource: "persistentvolumes"}, "PersistentVolume", name, object{"metadata": meta, "spec": spec})
	return spec
}

// source gives a volume one of the sources that clusters of this sort have.
func (c *cluster) source(name string, meta, spec object) {
	on := func(host string) {
		spec["nodeAffinity"] = object{"required": object{"nodeSelectorTerms": []any{object{"matchExpressions": []any{
			object{"key": "kubernetes.io/hostname", "operator": "In", "values": []any{host}}}}}}}
	}
	host := fmt.Sprintf("node-%d", c.IntN(3))
	switch c.IntN(6) {
	case 0:
		spec["nfs"] = object{"server": "192.0.2.7", "path": "/tank/odd path/" + name, "readOnly": c.IntN(2) == 0}
	case 1:
		spec["local"] = object{"path": "/var/lib/rancher/k3s/storage/" + name}
		c.strings(meta, "annotations")["pv.kubernetes.io/provisioned-by"] = "rancher.io/local-path"
		on(host)
	case 2:
		spec["hostPath"] = object{"path": "/srv/" + name, "type": c.pick([]string{"", "DirectoryOrCreate"})}
		on(host)
	case 3:
		spec["csi"] = object{"driver": "nfs.csi.k8s.io", "volumeHandle": "192.0.2.7#tank#" + name + "##", "volumeAttributes": object{"server": "192.0.2.7", "share": "/tank"}}
	default:
		spec["csi"] = object{
			"driver": "driver.longhorn.io", "volumeHandle": "pvc-" + name, "fsType": c.pick([]string{"ext4", "xfs"}),
			"volumeAttributes": object{"numberOfReplicas": "3", "storage.kubernetes.io/csiProvisionerIdentity": "1700000000000-8081-driver.longhorn.io"},
		}
		c.strings(meta, "annotations")["pv.kubernetes.io/provisioned-by"] = "driver.longhorn.io"
		if c.IntN(4) == 0 {
			spec["csi"].(object)["nodeStageSecretRef"] = object{"name": "longhorn-crypto", "namespace": "longhorn-system"}
		}
		if c.IntN(5) == 0 {
			spec["volumeMode"] = "Block"
			delete(spec["csi"].(object), "fsType")
		}
	}
}
