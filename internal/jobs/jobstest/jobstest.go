// Package jobstest plays, for kubetest's API server, the parts of a cluster that make pods of Jobs and Deployments.
package jobstest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

// Pod is how a pod goes.
type Pod struct {
	Waiting, Message string // it never starts, for this reason
	ExitCode         int
	Reason           string // of its end, such as OOMKilled
	Output           string // termination message
	Forever          bool   // it runs until it is deleted
	Lines            []string
}

// Pods says how the try-th pod of an index goes, both from 0.
type Pods func(index, try int) Pod

// ByCommand is a Cluster's pods where the command says how they go: exit CODE, or output TEXT for each index in turn.
func ByCommand(command []string, index int) (p Pod) {
	switch {
	case len(command) == 2 && command[0] == "exit":
		p.ExitCode, _ = strconv.Atoi(command[1])
	case len(command) > 1 && command[0] == "output":
		p.Output = command[1+index%(len(command)-1)]
	}
	p.Lines = []string{fmt.Sprintf("pod %d begins", index), fmt.Sprintf("pod %d is done", index)}
	return p
}

// Cluster makes pods.
type Cluster struct {
	t      testing.TB
	server *kubetest.Server
	client *kube.Client
	pods   Pods

	mu   sync.Mutex
	made map[string]int // pods, by the UID of their Job
}

// Start makes pods of every Job and Deployment that may have some, until the test ends. Without pods the commands say how they go.
func Start(t testing.TB, s *kubetest.Server, pods Pods) *Cluster {
	c := &Cluster{t: t, server: s, client: s.Client(t), pods: pods, made: map[string]int{}}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { c.watch(ctx, kube.Resource{Group: "batch", Version: "v1", Resource: "jobs"}, c.job) })
	group.Go(func() {
		c.watch(ctx, kube.Resource{Group: "apps", Version: "v1", Resource: "deployments"}, c.deployment)
	})
	t.Cleanup(func() { cancel(); group.Wait() })
	return c
}

// Made is how many pods were made for the Job of that UID.
func (c *Cluster) Made(uid string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.made[uid]
}

func (c *Cluster) watch(ctx context.Context, r kube.Resource, take func(context.Context, kube.Watched) error) {
	for e := range c.client.Watch(ctx, r, nil) {
		if e.Synced {
			continue
		}
		if err := take(ctx, e); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			c.t.Errorf("the cluster: %v", err)
		}
	}
}

// first tells whether the workload has not been worked on yet.
func (c *Cluster) first(uid string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, known := c.made[uid]
	if !known {
		c.made[uid] = 0
	}
	return !known
}

func (c *Cluster) job(ctx context.Context, e kube.Watched) error {
	j := &batchv1.Job{}
	if err := json.Unmarshal(e.Object, j); err != nil {
		return err
	}
	switch {
	case e.Gone:
		return c.sweep(ctx, j.Namespace, e.UID)
	case *j.Spec.Suspend || !c.first(e.UID):
		return nil
	}
	limit, failures := cmp.Or(j.Spec.BackoffLimit, new(int32(1000))), 0
	for index := range int(*j.Spec.Completions) {
		for try := 0; ; try++ {
			p := c.goes(j, index, try)
			if err := c.pod(ctx, j, index, try, p); err != nil || p.Waiting != "" || p.Forever {
				if err != nil {
					return err
				}
				break
			}
			if p.ExitCode == 0 {
				break
			}
			if failures++; failures > int(*limit) {
				return c.end(ctx, j, `{"type":"Failed","status":"True","reason":"BackoffLimitExceeded","message":"Job has reached the specified backoff limit"}`)
			}
		}
		if p := c.goes(j, index, 0); p.Waiting != "" || p.Forever {
			return nil
		}
	}
	return c.end(ctx, j, `{"type":"Complete","status":"True"}`)
}

// goes is how a pod goes.
func (c *Cluster) goes(j *batchv1.Job, index, try int) Pod {
	if c.pods == nil {
		return ByCommand(j.Spec.Template.Spec.Containers[0].Command, index)
	}
	return c.pods(index, try)
}

func (c *Cluster) end(ctx context.Context, j *batchv1.Job, condition string) error {
	_, err := c.client.Patch(ctx, kube.Resource{Group: "batch", Version: "v1", Resource: "jobs", Namespace: j.Namespace}, j.Name,
		[]byte(`{"status":{"conditions":[`+condition+`]}}`), kube.WriteOptions{})
	return err
}

// pod makes one, as it is at its end.
func (c *Cluster) pod(ctx context.Context, j *batchv1.Job, index, try int, p Pod) error {
	state, phase := fmt.Sprintf(`{"terminated":{"exitCode":%d,"reason":%q,"message":%q,"containerID":"c%d-%d"}}`,
		p.ExitCode, cmp.Or(p.Reason, map[bool]string{true: "Completed", false: "Error"}[p.ExitCode == 0]), p.Output, index, try), "Succeeded"
	switch {
	case p.Waiting != "":
		state, phase = fmt.Sprintf(`{"waiting":{"reason":%q,"message":%q}}`, p.Waiting, p.Message), "Pending"
	case p.Forever:
		state, phase = fmt.Sprintf(`{"running":{},"containerID":"c%d-%d"}`, index, try), "Running"
	case p.ExitCode != 0:
		phase = "Failed"
	}
	name := fmt.Sprintf("%s-%d-try%d", j.Name, index, try)
	log := c.server.Log(j.Namespace, name, "main")
	if p.Waiting == "" {
		log.Start()
	}
	for _, line := range p.Lines {
		log.Write(time.Now(), line)
	}
	if p.Waiting == "" && !p.Forever {
		log.End()
	}
	object := fmt.Sprintf(`{"metadata":{"name":%q,"labels":{"batch.kubernetes.io/controller-uid":%q},"annotations":{"batch.kubernetes.io/job-completion-index":"%d"}},`+
		`"spec":{"containers":[{"name":"main"}]},"status":{"phase":%q,"containerStatuses":[{"name":"main","imageID":"docker.io/x@sha256:abc","state":%s}]}}`,
		name, j.UID, index, phase, state)
	_, err := c.client.Create(ctx, kube.Resource{Version: "v1", Resource: "pods", Namespace: j.Namespace}, name, []byte(object), kube.WriteOptions{})
	c.mu.Lock()
	c.made[string(j.UID)]++
	c.mu.Unlock()
	return err
}

// sweep is the garbage collector.
func (c *Cluster) sweep(ctx context.Context, namespace, uid string) error {
	for _, resource := range []string{"pods", "configmaps", "secrets"} {
		r := kube.Resource{Version: "v1", Resource: resource, Namespace: namespace}
		var names []string
		for page, err := range c.client.List(ctx, r, 0) {
			if err != nil {
				return err
			}
			for _, item := range page.Items {
				if o := gjson.ParseBytes(item).Get("metadata"); o.Get("ownerReferences.0.uid").String() == uid || o.Get(`labels.batch\.kubernetes\.io/controller-uid`).String() == uid {
					names = append(names, o.Get("name").String())
				}
			}
		}
		for _, name := range names {
			if err := c.client.Delete(ctx, r, name, "", ""); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
	}
	return nil
}

// deployment makes a rollout available.
func (c *Cluster) deployment(ctx context.Context, e kube.Watched) error {
	d := &appsv1.Deployment{}
	if err := json.Unmarshal(e.Object, d); err != nil {
		return err
	}
	if e.Gone || *d.Spec.Replicas == 0 || !c.first(e.UID) {
		return nil
	}
	_, err := c.client.Patch(ctx, kube.Resource{Group: "apps", Version: "v1", Resource: "deployments", Namespace: d.Namespace}, d.Name,
		fmt.Appendf(nil, `{"status":{"replicas":%[1]d,"updatedReplicas":%[1]d,"availableReplicas":%[1]d}}`, *d.Spec.Replicas), kube.WriteOptions{})
	return err
}
