package bundle

import (
	"time"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"plan/internal/lock"
)

const (
	// startingDeadline is how late a run may begin, after the cluster was down or while the one before still goes on. An hour late is still the
	// same night. Less than a hundred starts of the busiest schedule fit into it: when more were missed, the controller starts none at all.
	startingDeadline = time.Hour

	// kept are the Jobs of each outcome whose pods and logs stay. Records of runs are not among what goes with them.
	kept = 3

	// backoffLimit is how many pods may fail before the Job does. Only what passes counts: a server that does not answer, a lock that is held, an
	// outcome that is not known, a pod that was killed. The next pod goes on with the same run.
	backoffLimit = 3
)

// lasting are exit codes after which another pod could only end the same way, or shall not begin: work failed, the plan is wrong, a check failed or
// could not be made, a right is missing, the time is over, somebody cancelled it. Each of them is said by a run that has come to its end, or has not
// begun.
func lasting() []int32 { return []int32{1, 2, 3, 4, 77, 124, 130} }

// cronJob is the clock.
func (s *Spec) cronJob(c *contents) *batchv1.CronJob {
	job := &batchv1.CronJob{TypeMeta: metav1.TypeMeta{APIVersion: "batch/v1", Kind: "CronJob"}, ObjectMeta: s.meta(s.Name)}
	job.Spec = batchv1.CronJobSpec{
		Schedule: s.Schedule, Suspend: &s.Suspend,
		ConcurrencyPolicy: batchv1.ForbidConcurrent, StartingDeadlineSeconds: new(int64(startingDeadline / time.Second)),
		SuccessfulJobsHistoryLimit: new(int32(kept)), FailedJobsHistoryLimit: new(int32(kept)),
		JobTemplate: batchv1.JobTemplateSpec{ObjectMeta: s.meta(""), Spec: s.job(c)},
	}
	if s.TimeZone != "" {
		job.Spec.TimeZone = &s.TimeZone
	}
	job.Spec.JobTemplate.Namespace = ""
	return job
}

func (s *Spec) job(c *contents) batchv1.JobSpec {
	return batchv1.JobSpec{
		BackoffLimit: new(int32(backoffLimit)), PodReplacementPolicy: new(batchv1.Failed), // a pod that is on its way out may still hold the lock
		ActiveDeadlineSeconds: new(int64((s.Deadline + time.Second - 1) / time.Second)),
		PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{
			{
				Action:          batchv1.PodFailurePolicyActionIgnore, // evicted or drained: that is no failure of the run
				OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
			},
			{
				Action: batchv1.PodFailurePolicyActionFailJob,
				OnExitCodes: &batchv1.PodFailurePolicyOnExitCodesRequirement{
					ContainerName: new(container), Operator: batchv1.PodFailurePolicyOnExitCodesOpIn, Values: lasting(),
				},
			},
		}},
		Template: s.template(c),
	}
}

// lease is one that nobody holds. It has the marks by which package lock knows those of plan, and no other of the bundle's, for the CronJobs of one
// group share it. Applied again while a run holds it, it loses the note who that is until the next one takes it, and nothing else.
func (s *Spec) lease() *coordinationv1.Lease {
	labels, annotations := lock.Marks()
	return &coordinationv1.Lease{
		TypeMeta:   metav1.TypeMeta{APIVersion: "coordination.k8s.io/v1", Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{Name: s.Lease.Name, Namespace: s.Lease.Namespace, Labels: labels, Annotations: annotations},
	}
}
