package workload_test

import (
	"testing"

	"plan/internal/workload"
)

// TestReleasedObjectsWorkByThemselves, are nobody's that plan knows, and take the values of their secrets.
func TestReleasedObjectsWorkByThemselves(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*workload.Spec)
		queued bool
	}{
		"job":        {func(*workload.Spec) {}, false},
		"in a queue": {func(s *workload.Spec) { s.Queue = "nightly" }, true},
		"deployment": {func(s *workload.Spec) { s.Deployment, s.Parallelism = true, 3 }, false},
	} {
		o := build(t, func(s *workload.Spec) {
			s.Secrets = []workload.Secret{{Name: "db", Data: map[string]string{"password": "x"}}}
			tc.change(s)
		})
		before := o.Hash
		o.Release()
		if o.Hash != before || o.Secrets[0].Immutable != nil {
			t.Errorf("%s: hash %s, was %s; secret immutable %v", name, o.Hash, before, o.Secrets[0].Immutable)
		}
		if d := o.Deployment; d != nil {
			if _, has := d.Annotations[workload.AnnotationHash]; has || *d.Spec.Replicas != 3 {
				t.Errorf("%s: %d replicas, annotations %v", name, *d.Spec.Replicas, d.Annotations)
			}
			continue
		}
		_, has := o.Job.Annotations[workload.AnnotationHash]
		if queued := o.Job.Labels[workload.LabelQueue] == "nightly"; has || queued != tc.queued || *o.Job.Spec.Suspend != queued {
			t.Errorf("%s: suspended %t, labels %v, annotations %v", name, *o.Job.Spec.Suspend, o.Job.Labels, o.Job.Annotations)
		}
		if o.Job.Spec.Template.Labels[workload.LabelQueue] != "" {
			t.Errorf("%s: the pods are in a queue, too", name)
		}
	}
}
