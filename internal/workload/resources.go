package workload

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Resources are cpu and memory of the main container: one value is request and limit, A-B is a request of A and a limit of B.
type Resources struct{ CPU, Memory string }

// What a pod asks for where nothing is said: enough for a script, and no limit.
const (
	defaultCPU    = "100m"
	defaultMemory = "128Mi"
)

// Requirements are what a container asks for. Errors begin with field, what the resources are called where they were written.
func (r Resources) Requirements(field string) (corev1.ResourceRequirements, error) {
	needs := corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(defaultCPU), corev1.ResourceMemory: resource.MustParse(defaultMemory)}}
	err := errors.Join(
		into(&needs, corev1.ResourceCPU, field+".cpu", r.CPU, quantity),
		into(&needs, corev1.ResourceMemory, field+".memory", r.Memory, memoryQuantity))
	return needs, err
}

func into(needs *corev1.ResourceRequirements, name corev1.ResourceName, field, text string, parse func(string) (resource.Quantity, error)) error {
	if text == "" {
		return nil
	}
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	request, err := parse(low)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	limit, err := parse(high)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if limit.Cmp(request) < 0 {
		return fmt.Errorf("%s: %s is less than %s: write request-limit, the smaller one first", field, high, low)
	}
	if needs.Limits == nil {
		needs.Limits = corev1.ResourceList{}
	}
	needs.Requests[name], needs.Limits[name] = request, limit
	return nil
}

var bytesUnit = regexp.MustCompile(`^([0-9.]+)\s*([kKmMgGtTpPeE])(i?)[bB]$`)

// quantity reads a quantity as Kubernetes does, more than nothing.
func quantity(text string) (resource.Quantity, error) {
	q, err := resource.ParseQuantity(text)
	if err != nil {
		if m := bytesUnit.FindStringSubmatch(text); m != nil {
			unit := strings.ToUpper(m[2])
			return q, fmt.Errorf("%q is no quantity: write %s%si (1024-based) or %s%s (1000-based)", text, m[1], unit, m[1], strings.Replace(unit, "K", "k", 1))
		}
		return q, fmt.Errorf("%q is no quantity: write a number with a unit of Kubernetes, such as 500m, 2, 512Mi or 8Gi", text)
	}
	if q.Sign() <= 0 {
		return q, fmt.Errorf("%q is not more than 0", text)
	}
	return q, nil
}

// memoryQuantity reads a quantity of bytes. Less than 4 MiB is a slip: 128m are 0.128 bytes, and no container starts with so little.
func memoryQuantity(text string) (resource.Quantity, error) {
	q, err := quantity(text)
	if err == nil && q.Cmp(resource.MustParse("4Mi")) < 0 {
		return q, fmt.Errorf("%q is less than 4 MiB: did you mean %sMi?", text, strings.TrimRight(text, "mMkK"))
	}
	return q, err
}
