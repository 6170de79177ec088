package rigs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"plan/internal/errclass"
	"plan/internal/jobs"
	"plan/internal/kube"
	"plan/internal/workload"
)

// TestTheVerdictIsTheJobControllers runs random Jobs under the real controller and holds what comes back against the Job's own conditions, read
// by another client. Pods end as chance has it (this test plays the kubelet), Jobs are suspended and go on, pods and Jobs are deleted meanwhile.
func TestTheVerdictIsTheJobControllers(t *testing.T) {
	r := theWorld(t)
	n, begin := number(t, "PLAN_RIG_JOBS", 12), time.Now()
	namespace := "random-jobs"
	if _, err := r.kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	kubelet := &kubelet{rig: r, namespace: namespace, fates: map[string]fates{}}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	group.Go(func() { kubelet.run(ctx) })
	defer group.Wait()
	defer cancel()

	verdicts := &tally{}
	indexes := make(chan int)
	var all sync.WaitGroup
	for range min(8, n) {
		all.Go(func() {
			for i := range indexes {
				verdict, err := r.randomJob(t, kubelet, i)
				if err != nil {
					t.Errorf("PLAN_RIG_SEED=%d job %d: %v", seed(), i, err)
				}
				verdicts.add(verdict)
			}
		})
	}
	for i := range n {
		if inTime(begin) {
			indexes <- i
		}
	}
	close(indexes)
	all.Wait()
	t.Logf("rig jobs: %d random jobs, each verdict the controller's: %s, seed %d, %d s", n, verdicts, seed(), int(time.Since(begin).Seconds()))
}

// fates draws how a Job's pods end, one after the other.
type fates func() (exitCode int32, after time.Duration)

// kubelet ends pods, as the Job that they are of wants it.
type kubelet struct {
	*rig
	namespace string
	mu        sync.Mutex
	fates     map[string]fates // by the name of the Job
}

func (k *kubelet) run(ctx context.Context) {
	seen := map[types.UID]bool{}
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		pods, err := k.kube.CoreV1().Pods(k.namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		for _, p := range pods.Items {
			k.mu.Lock()
			draw := k.fates[p.Labels[batchv1.JobNameLabel]]
			k.mu.Unlock()
			if !seen[p.UID] && draw != nil {
				seen[p.UID] = true
				k.mu.Lock()
				code, after := draw()
				k.mu.Unlock()
				group.Go(func() { k.end(ctx, p, code, after) })
			}
		}
		time.Sleep(30 * time.Millisecond)
	}
}

// end lets a pod run, and end.
func (k *kubelet) end(ctx context.Context, p corev1.Pod, code int32, after time.Duration) {
	phases := []corev1.PodStatus{
		{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}},
		{Phase: corev1.PodSucceeded, ContainerStatuses: []corev1.ContainerStatus{{Name: "main", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}}}},
	}
	if code != 0 {
		phases[1].Phase = corev1.PodFailed
	}
	for _, status := range phases {
		data, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.UID}, "status": status})
		if err != nil {
			return
		}
		// One that is deleted meanwhile needs no end.
		_, _ = k.kube.CoreV1().Pods(k.namespace).Patch(ctx, p.Name, types.MergePatchType, data, metav1.PatchOptions{}, "status")
		select {
		case <-ctx.Done():
		case <-time.After(after):
		}
	}
}

// randomSpec draws a Job.
func randomSpec(random *rand.Rand, name, namespace string) *workload.Spec {
	s := &workload.Spec{
		Name: name, Namespace: namespace, Image: "none:1", Parallelism: 1 + random.Int32N(4),
		Labels: map[string]string{workload.ManagedBy: workload.Manager, workload.LabelRun: "random", workload.LabelStep: name, workload.LabelAttempt: "1"},
		Pod:    workload.Pod{Security: workload.Restricted, RunAsUser: 65532},
	}
	s.Completions = s.Parallelism + random.Int32N(3)
	if random.IntN(2) == 0 {
		s.BackoffLimit = new(random.Int32N(4))
	} else {
		s.BackoffLimitPerIndex = new(random.Int32N(3))
	}
	if random.IntN(3) == 0 {
		s.PodFailurePolicy = &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
			{Action: batchv1.PodFailurePolicyActionFailJob, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{Operator: "In", Values: []int32{42}}},
			{Action: batchv1.PodFailurePolicyActionIgnore, OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{Operator: "In", Values: []int32{43}}},
		}}
	}
	if random.IntN(8) == 0 {
		s.Deadline = 2 * time.Second
	}
	return s
}

// randomJob runs one and tells what it came to.
func (r *rig) randomJob(t *testing.T, k *kubelet, i int) (string, error) {
	random := chance(uint64(9_000_000 + i))
	name := fmt.Sprintf("random-%d", i)
	spec := randomSpec(random, name, k.namespace)
	fails, pods := random.IntN(60), rand.New(rand.NewPCG(random.Uint64(), 1))
	k.mu.Lock()
	k.fates[name] = func() (int32, time.Duration) {
		code := int32(0)
		if pods.IntN(100) < fails {
			code = []int32{1, 2, 42, 43, 137}[pods.IntN(5)]
		}
		return code, time.Duration(pods.IntN(300)) * time.Millisecond
	}
	k.mu.Unlock()
	config, err := r.RESTConfig()
	if err != nil {
		return "", err
	}
	client, err := kube.New(config, "lab", k.namespace)
	if err != nil {
		return "", err
	}
	objects, err := workload.Build(spec)
	if err != nil {
		return "", err
	}
	runner := &jobs.Runner{Kube: client, Namespace: k.namespace, Name: name, Key: "w", Note: func(string, string) error { return nil }, Log: func(string, ...any) {}}
	h, err := runner.Start(t.Context(), objects)
	if err != nil {
		return "", err
	}
	var meddling sync.WaitGroup
	deleted := make(chan bool, 1)
	meddling.Go(func() { deleted <- r.meddle(t.Context(), random, k.namespace, name) })
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	outcome, err := runner.Follow(ctx, h, jobs.Watching{})
	meddling.Wait()
	return r.sameVerdict(t.Context(), k.namespace, h, outcome, err, <-deleted)
}

// meddle does to a Job what others may; true if it has deleted it.
func (r *rig) meddle(ctx context.Context, random *rand.Rand, namespace, name string) bool {
	patch := func(text string) {
		_, _ = r.kube.BatchV1().Jobs(namespace).Patch(ctx, name, types.MergePatchType, []byte(text), metav1.PatchOptions{}) // one that has ended refuses
	}
	time.Sleep(time.Duration(random.IntN(600)) * time.Millisecond)
	switch random.IntN(8) {
	case 0:
		patch(`{"spec":{"suspend":true}}`)
		time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
		patch(`{"spec":{"suspend":false}}`)
	case 1:
		_ = r.kube.CoreV1().Pods(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: batchv1.JobNameLabel + "=" + name})
	case 2:
		foreground := metav1.DeletePropagationForeground
		return r.kube.BatchV1().Jobs(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &foreground}) == nil
	}
	return false
}

// sameVerdict holds an outcome against the Job's conditions.
func (r *rig) sameVerdict(ctx context.Context, namespace string, h jobs.Handle, o *jobs.Outcome, err error, deleted bool) (string, error) {
	if err != nil {
		if deleted && errclass.Classify(err).Class == errclass.Lost {
			return "lost", nil
		}
		return "", fmt.Errorf("deleted %v: %w", deleted, err)
	}
	j, err := r.kube.BatchV1().Jobs(namespace).Get(ctx, h.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) && deleted {
		return "ended before it was deleted", nil
	}
	if err != nil {
		return "", err
	}
	said := map[batchv1.JobConditionType]string{}
	for _, c := range j.Status.Conditions {
		if c.Status == corev1.ConditionTrue {
			said[c.Type] = c.Reason
		}
	}
	_, complete := said[batchv1.JobComplete]
	reason, failed := said[batchv1.JobFailed]
	switch {
	case complete == failed:
		return "", fmt.Errorf("the Job is not at its end: %v", slices.Collect(maps.Keys(said)))
	case o.Failed != failed || o.Failed && o.Reason != reason:
		return "", fmt.Errorf("failed %v (%s), and the Job says %v", o.Failed, o.Reason, said)
	}
	ok := 0
	for _, p := range o.Last() {
		if p.OK() {
			ok++
		}
	}
	if !failed && ok != int(*j.Spec.Completions) {
		return "", errors.New("a complete Job has pods of which some are not known to have succeeded")
	}
	if failed {
		return reason, nil
	}
	return "complete", nil
}
