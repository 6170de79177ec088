package jobs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"plan/internal/kube"
	"plan/internal/workload"
)

// Stuck is the error of a workload none of whose pods got to work in time.
type Stuck struct {
	What   string
	After  time.Duration
	Reason string // what the cluster says
	Next   string // what to do about it
}

// Error says all of it.
func (e *Stuck) Error() string {
	text := fmt.Sprintf("%s: no pod got to work within startTimeout (%s): %s", e.What, e.After, e.Reason)
	if e.Next != "" {
		text += ": " + e.Next
	}
	return text
}

// reason is why a pod does not work yet.
type reason struct{ word, message string }

func (r *reason) String() string {
	if r.message == "" {
		return r.word
	}
	return r.word + ": " + r.message
}

// hasWorked tells whether the pod's main container has been started, or the pod is at its end some other way.
func hasWorked(p *corev1.Pod) bool {
	if p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed {
		return true
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.Name == workload.MainContainer && (c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil) {
			return true
		}
	}
	return false
}

// waiting is why a pod waits, if the cluster says so; nil while all goes its way.
func waiting(p *corev1.Pod) *reason {
	if p.Status.Phase != corev1.PodPending {
		return nil
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" && w.Reason != "" {
			return &reason{w.Reason, w.Message}
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return &reason{cmp.Or(c.Reason, "Unschedulable"), c.Message}
		}
	}
	return nil
}

// advice is what to do about a reason.
var advice = []struct{ word, next string }{
	{"ImagePull", "check the image's name and tag, and imagePullSecrets if the registry asks who you are"},
	{"ErrImage", "check the image's name and tag, and imagePullSecrets if the registry asks who you are"},
	{"InvalidImageName", "check the image's name"},
	{"CreateContainerConfigError", "a Secret, ConfigMap or key that the pod names is missing, or the image runs as root where the pod may not"},
	{"CreateContainerError", "check the command and the image"},
	{"RunContainerError", "check the command and the image"},
	{"Unschedulable", "no node has room for it or may take it: look at resources, nodeSelector, tolerations and volumes"},
	{"SchedulingGated", "something holds the pod back on purpose: ask who put the gate there"},
	{"exceeded quota", "the namespace's quota is used up: free some of it, or ask for less in resources"},
	{"forbidden", "the namespace's admission refuses the pod: do what it says"},
	{"FailedMount", "check the volumes"},
}

// late is called when the time to start is over.
func (f *following) late(ctx context.Context) error {
	if f.worked {
		return nil
	}
	why := f.why(ctx)
	e := &Stuck{What: f.runner.what(), After: f.watching.StartTimeout, Reason: why}
	for _, a := range advice {
		if strings.Contains(why, a.word) {
			e.Next = a.next
			break
		}
	}
	return e
}

// why is what the cluster says of the pods, or of the workload when there is none.
func (f *following) why(ctx context.Context) string {
	var words []string
	for _, p := range f.pods {
		if r := waiting(p); r != nil {
			words = append(words, r.String())
		}
	}
	slices.Sort(words)
	if words = slices.Compact(words); len(words) > 0 {
		return strings.Join(words[:min(len(words), 3)], "; ")
	}
	if f.deployment != nil {
		for _, c := range f.deployment.Status.Conditions {
			if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
				return c.Reason + ": " + c.Message
			}
		}
	}
	if said := f.events(ctx); said != "" {
		return said
	}
	if len(f.pods) == 0 {
		return "the cluster has made no pod, and does not say why"
	}
	return "its pods are pending, and the cluster does not say why"
}

// events are the last warnings about the workload and its pods: quota, admission, mounts.
func (f *following) events(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	uids := []string{f.handle.UID}
	for uid := range f.pods {
		uids = append(uids, uid)
	}
	for _, uid := range uids[:min(len(uids), 3)] {
		last, at := "", ""
		res := kube.Resource{Version: "v1", Resource: "events", Namespace: f.runner.Namespace, Fields: "involvedObject.uid=" + uid + ",type=Warning"}
		for page, err := range f.runner.Kube.List(ctx, res, 0) {
			if err != nil {
				f.tell("list events of %s: %v", f.runner.what(), err)
				break
			}
			for _, item := range page.Items {
				if t := gjson.GetBytes(item, "lastTimestamp").String(); t >= at {
					last, at = gjson.GetBytes(item, "reason").String()+": "+gjson.GetBytes(item, "message").String(), t
				}
			}
		}
		if last != "" {
			return last
		}
	}
	return ""
}
