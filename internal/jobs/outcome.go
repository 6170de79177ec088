package jobs

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"plan/internal/workload"
)

// Outcome is what a workload came to.
type Outcome struct {
	Failed          bool   // a Job's condition is Failed
	Reason, Message string // of that condition
	Pods            []Pod  // by index, then as they were created
}

// Pod is the last that was seen of a pod.
type Pod struct {
	Name    string
	Index   int // of an Indexed Job; -1 without
	Created int64

	Ended    bool // the main container has
	ExitCode int
	Signal   int    // 0 if the runtime does not tell
	Reason   string // OOMKilled, Evicted, Error, …; of the pod where it has one, else of the container
	Message  string // of the pod: why it was evicted
	Output   string // the termination message
	ImageID  string
}

// OK tells whether the pod did its work.
func (p Pod) OK() bool { return p.Ended && p.ExitCode == 0 && p.Reason != "Evicted" }

// String tells of the end of a pod in a line.
func (p Pod) String() string {
	switch {
	case p.Reason == "Evicted" || !p.Ended:
		return strings.TrimSuffix(fmt.Sprintf("pod %s: %s: %s", p.Name, cmp.Or(p.Reason, "its end was not seen"), p.Message), ": ")
	case p.Reason == "OOMKilled":
		return fmt.Sprintf("pod %s: OOMKilled (exit code %d): it needed more memory than its limit", p.Name, p.ExitCode)
	case p.Signal > 0:
		return fmt.Sprintf("pod %s: ended by signal %d", p.Name, p.Signal)
	case p.ExitCode > 128 && p.ExitCode < 160:
		return fmt.Sprintf("pod %s: exit code %d (signal %d)", p.Name, p.ExitCode, p.ExitCode-128)
	case p.Reason != "" && p.Reason != "Error" && p.Reason != "Completed":
		return strings.TrimSuffix(fmt.Sprintf("pod %s: %s (exit code %d): %s", p.Name, p.Reason, p.ExitCode, firstLine(p.Output)), ": ")
	}
	return fmt.Sprintf("pod %s: exit code %d", p.Name, p.ExitCode)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

// ExitCodes are those of the main containers of all pods that failed; nil when one's is not known.
func (o *Outcome) ExitCodes() (codes []int) {
	for _, p := range o.Pods {
		switch {
		case p.OK():
		case !p.Ended:
			return nil
		default:
			codes = append(codes, p.ExitCode)
		}
	}
	return codes
}

// Last are the pods that decide about the result: of an Indexed Job the newest of each index, and of these one that succeeded before all others.
func (o *Outcome) Last() (list []Pod) {
	for _, p := range o.Pods {
		n := len(list)
		switch {
		case n == 0 || p.Index < 0 || list[n-1].Index != p.Index:
			list = append(list, p)
		case !list[n-1].OK():
			list[n-1] = p
		}
	}
	return list
}

// JobFailed is the error of a Job that failed.
type JobFailed struct {
	What string // job namespace/name
	*Outcome
}

// Error says why, and how each of the first pods that failed ended.
func (e *JobFailed) Error() string {
	text := e.What + " failed"
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	if e.Message != "" {
		text += ": " + e.Message
	}
	told := 0
	for _, p := range e.Pods {
		if p.OK() {
			continue
		}
		if told++; told > 5 {
			return text + "; …"
		}
		text += "; " + p.String()
	}
	return text
}

// sum puts the outcome together.
func (f *following) sum() *Outcome {
	o := &Outcome{}
	if f.job != nil {
		if c := terminal(f.job); c != nil && c.Type == batchv1.JobFailed {
			o.Failed, o.Reason, o.Message = true, c.Reason, c.Message
		}
	}
	for _, p := range f.pods {
		o.Pods = append(o.Pods, podOf(p))
	}
	slices.SortFunc(o.Pods, func(a, b Pod) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Created, b.Created), strings.Compare(a.Name, b.Name))
	})
	return o
}

func podOf(p *corev1.Pod) Pod {
	out := Pod{Name: p.Name, Index: -1, Created: p.CreationTimestamp.UnixNano(), Reason: p.Status.Reason, Message: p.Status.Message}
	if index, err := strconv.Atoi(p.Annotations[batchv1.JobCompletionIndexAnnotation]); err == nil {
		out.Index = index
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.Name != workload.MainContainer {
			continue
		}
		out.ImageID = c.ImageID
		if t := c.State.Terminated; t != nil {
			out.Ended, out.ExitCode, out.Signal, out.Output = true, int(t.ExitCode), int(t.Signal), t.Message
			out.Reason = cmp.Or(out.Reason, t.Reason)
		}
	}
	return out
}

func uidOf(item []byte) string { return gjson.GetBytes(item, "metadata.uid").String() }
