package runjob

import (
	"encoding/json"
	"fmt"
	"slices"

	"plan/internal/objects"
	"plan/internal/workload"
)

// atWork is the workload as it is once it is started.
func atWork(o *workload.Objects) (json.RawMessage, error) {
	o.Start()
	var body any = o.Job
	if o.Deployment != nil {
		body = o.Deployment
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode the workload: %w", err)
	}
	return objects.Clean(data)
}

// asSent is a workload of the cluster without what the API server and controllers have put into it. What only it has, and what is no
// default, stays: that goes with it.
func asSent(live, after json.RawMessage) (json.RawMessage, error) {
	clean, err := objects.Clean(live)
	if err != nil {
		return nil, err
	}
	object, err := objects.Decode(clean)
	if err != nil {
		return nil, err
	}
	wanted, err := objects.Decode(after)
	if err != nil {
		return nil, err
	}
	have, _ := object["spec"].(map[string]any)
	want, _ := wanted["spec"].(map[string]any)
	if object["kind"] == "Job" && have != nil {
		delete(have, "selector") // by the Job's UID
		if want["ttlSecondsAfterFinished"] == nil {
			delete(have, "ttlSecondsAfterFinished") // given once it had ended
		}
		if want["suspend"] == true {
			have["suspend"] = true // a queue has let it go
		}
	}
	strip(object, wanted)
	return objects.Encode(object), nil
}

// strip takes out of a value what the other does not have and the server gives by itself.
func strip(have, want any) {
	switch have := have.(type) {
	case map[string]any:
		want, _ := want.(map[string]any)
		for name, value := range have {
			other, there := want[name]
			if !there && given(name, value) {
				delete(have, name)
				continue
			}
			strip(value, other)
			if inner, ok := value.(map[string]any); ok && len(inner) == 0 && !there {
				delete(have, name) // all that was in it
			}
		}
	case []any:
		want, _ := want.([]any)
		for i, value := range have {
			var other any
			if i < len(want) {
				other = want[i]
			}
			strip(value, other)
		}
	}
}

// given tells whether a field has the value that the API server gives it, or is a controller's.
func given(name string, value any) bool {
	if slices.Contains(controllers, name) {
		return true
	}
	text, err := json.Marshal(value)
	return err == nil && slices.Contains(byServer[name], string(text))
}

// controllers are labels, annotations and fields of a workload and its template that controllers and the server keep for themselves.
var controllers = []string{
	"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-tracking",
	"deployment.kubernetes.io/revision", "serviceAccount", "creationTimestamp",
}

// byServer are the values that fields of Jobs, Deployments and their templates have where nothing was said (API conventions: defaulting).
var byServer = map[string][]string{
	"suspend": {"false"}, "manualSelector": {"false"}, "completionMode": {`"NonIndexed"`}, "podReplacementPolicy": {`"TerminatingOrFailed"`},
	"backoffLimit": {"6", "2147483647"}, "progressDeadlineSeconds": {"600"}, "revisionHistoryLimit": {"10"}, "replicas": {"1"},
	"type": {`"RollingUpdate"`, `""`}, "maxSurge": {`"25%"`}, "maxUnavailable": {`"25%"`},
	"restartPolicy": {`"Always"`}, "dnsPolicy": {`"ClusterFirst"`}, "schedulerName": {`"default-scheduler"`}, "terminationGracePeriodSeconds": {"30"},
	"securityContext": {"{}"}, "resources": {"{}"}, "terminationMessagePath": {`"/dev/termination-log"`}, "terminationMessagePolicy": {`"File"`},
	"imagePullPolicy": {`"IfNotPresent"`, `"Always"`}, "protocol": {`"TCP"`}, "scheme": {`"HTTP"`}, "apiVersion": {`"v1"`}, "defaultMode": {"420"},
	"timeoutSeconds": {"1"}, "periodSeconds": {"10"}, "successThreshold": {"1"}, "failureThreshold": {"3"},
}
