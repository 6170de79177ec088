package lab

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// node is one machine of the home cluster.
type node struct {
	name, ip, podCIDR string
	server            bool
	arch, cpu, memory string // no cpu: the node has never reported its status
	labels            map[string]string
	taints            []corev1.Taint
	cordoned          bool
}

func seedNodes() []node {
	serverTaint := []corev1.Taint{{Key: "node-role.kubernetes.io/control-plane", Value: "true", Effect: corev1.TaintEffectNoSchedule}}
	return []node{
		{name: "atlas", ip: "192.168.10.11", podCIDR: "10.42.0.0/24", server: true, arch: "amd64", cpu: "4", memory: "16Gi", taints: serverTaint,
			labels: map[string]string{"topology.kubernetes.io/zone": "rack", "home.example/ups": "true"}},
		{name: "borea", ip: "192.168.10.12", podCIDR: "10.42.1.0/24", server: true, arch: "amd64", cpu: "4", memory: "16Gi", taints: serverTaint,
			labels: map[string]string{"topology.kubernetes.io/zone": "rack", "home.example/ups": "true"}},
		{name: "ceres", ip: "192.168.10.13", podCIDR: "10.42.2.0/24", server: true, arch: "amd64", cpu: "4", memory: "16Gi", taints: serverTaint,
			labels: map[string]string{"topology.kubernetes.io/zone": "attic"}},
		{name: "dione", ip: "192.168.10.21", podCIDR: "10.42.3.0/24", arch: "amd64", cpu: "16", memory: "64Gi",
			labels: map[string]string{"topology.kubernetes.io/zone": "rack", "home.example/gpu": "arc-a380", "node.longhorn.io/create-default-disk": "true"},
			taints: []corev1.Taint{{Key: "home.example/gpu", Value: "true", Effect: corev1.TaintEffectPreferNoSchedule}}},
		{name: "eris", ip: "192.168.10.22", podCIDR: "10.42.4.0/24", arch: "arm64", cpu: "4", memory: "8Gi", cordoned: true,
			labels: map[string]string{"topology.kubernetes.io/zone": "attic"}},
		{name: "fauna", ip: "192.168.10.23", podCIDR: "10.42.5.0/24", arch: "arm64",
			labels: map[string]string{"topology.kubernetes.io/zone": "garage"}},
	}
}

// createNode makes the node and its status. Admission adds a taint to a new node (not-ready), which a second write
// takes away again, as the node's own controller would.
func createNode(ctx context.Context, c kubernetes.Interface, n node) error {
	nodes := c.CoreV1().Nodes()
	got, err := nodes.Create(ctx, n.object(), metav1.CreateOptions{FieldManager: "k3s"})
	if apierrors.IsAlreadyExists(err) {
		got, err = nodes.Get(ctx, n.name, metav1.GetOptions{})
		if err == nil && (n.cpu == "" || len(got.Status.Capacity) > 0) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("create node %s: %w", n.name, err)
	}
	if n.cpu == "" {
		return nil
	}
	got.Spec.Taints = n.object().Spec.Taints
	if got, err = nodes.Update(ctx, got, metav1.UpdateOptions{FieldManager: "k3s"}); err != nil {
		return fmt.Errorf("set taints of node %s: %w", n.name, err)
	}
	got.Status = n.status()
	if _, err = nodes.UpdateStatus(ctx, got, metav1.UpdateOptions{FieldManager: "k3s"}); err != nil {
		return fmt.Errorf("set status of node %s: %w", n.name, err)
	}
	return nil
}

func (n node) object() *corev1.Node {
	labels := map[string]string{
		"beta.kubernetes.io/arch": n.arch, "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/instance-type": "k3s",
		"kubernetes.io/arch": n.arch, "kubernetes.io/os": "linux", "kubernetes.io/hostname": n.name, "node.kubernetes.io/instance-type": "k3s",
	}
	args := `["agent"]`
	if n.server {
		for _, role := range []string{"control-plane", "etcd", "master"} {
			labels["node-role.kubernetes.io/"+role] = "true"
		}
		args = `["server","--etcd-s3","true","--etcd-s3-access-key","********","--etcd-s3-secret-key","********","--token","********"]`
	}
	maps.Copy(labels, n.labels)
	o := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.name, Labels: labels, Annotations: map[string]string{
			"alpha.kubernetes.io/provided-node-ip":                   n.ip,
			"flannel.alpha.coreos.com/backend-data":                  fmt.Sprintf(`{"VNI":1,"VtepMAC":"3a:5c:00:10:00:%s"}`, n.ip[len(n.ip)-2:]),
			"flannel.alpha.coreos.com/backend-type":                  "vxlan",
			"flannel.alpha.coreos.com/public-ip":                     n.ip,
			"k3s.io/hostname":                                        n.name,
			"k3s.io/internal-ip":                                     n.ip,
			"k3s.io/node-args":                                       args,
			"k3s.io/node-env":                                        "{}",
			"node.alpha.kubernetes.io/ttl":                           "0",
			"volumes.kubernetes.io/controller-managed-attach-detach": "true",
		}},
		Spec: corev1.NodeSpec{PodCIDR: n.podCIDR, PodCIDRs: []string{n.podCIDR}, ProviderID: "k3s://" + n.name, Taints: n.taints},
	}
	if n.cordoned {
		o.Spec.Unschedulable = true
		o.Spec.Taints = append(o.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	return o
}

func (n node) status() corev1.NodeStatus {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(n.cpu), corev1.ResourceMemory: resource.MustParse(n.memory),
		corev1.ResourceEphemeralStorage: resource.MustParse("240Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	s := corev1.NodeStatus{
		Capacity: capacity, Allocatable: capacity,
		Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: n.ip}, {Type: corev1.NodeHostName, Address: n.name}},
		NodeInfo: corev1.NodeSystemInfo{
			Architecture: n.arch, OperatingSystem: "linux", OSImage: "Debian GNU/Linux 12 (bookworm)", KernelVersion: "6.1.0-40-" + n.arch,
			KubeletVersion: KubernetesVersion + "+k3s1", ContainerRuntimeVersion: "containerd://2.1.5-k3s1",
			MachineID: seedUUID("machine", n.name), SystemUUID: seedUUID("system", n.name), BootID: seedUUID("boot", n.name),
		},
	}
	for _, c := range []struct {
		kind            corev1.NodeConditionType
		status          corev1.ConditionStatus
		reason, message string
	}{
		{corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"},
		{corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"},
		{corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID", "kubelet has sufficient PID available"},
		{corev1.NodeReady, corev1.ConditionTrue, "KubeletReady", "kubelet is posting ready status"},
	} {
		s.Conditions = append(s.Conditions, corev1.NodeCondition{
			Type: c.kind, Status: c.status, Reason: c.reason, Message: c.message,
			LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		})
	}
	return s
}
