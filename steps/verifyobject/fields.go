package verifyobject

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"plan/internal/kube"
)

// The words of per that are no path.
const (
	perObject    = "object"    // every object is judged
	perSelection = "selection" // the newest of all is judged
)

// wanted reads the fields. What is empty stays so.
func (a *Action) wanted() (wanted, error) {
	w := wanted{per: a.Per}
	var errs []error
	field := func(name, text string, read func() error) {
		if text == "" {
			return
		}
		if err := read(); err != nil {
			errs = append(errs, fmt.Errorf("with.%s: %w", name, err))
		}
	}
	field("resource", a.Resource, func() (err error) { w.resource, err = parseResource(a.Resource); return err })
	field("selector", a.Selector, func() error {
		selector, err := labels.Parse(a.Selector)
		if err == nil {
			w.resource.Selector = selector.String()
		}
		return err
	})
	w.resource.Namespace = a.Namespace
	field("time", a.Time, func() (err error) { w.time, err = parsePath(a.Time); return err })
	field("condition", a.Condition, func() (err error) { w.condition, err = parseCondition(a.Condition); return err })
	if a.Per != perObject && a.Per != perSelection {
		field("per", a.Per, func() (err error) { w.group, err = parseGroup(a.Per); return err })
	}
	return w, errors.Join(errs...)
}

func parseGroup(text string) (*path, error) {
	if !looksLikePath(text) {
		return nil, fmt.Errorf("%q is neither object nor selection, nor a path such as metadata.namespace", text)
	}
	return parsePath(text)
}

// resourceForm is group/version/resource, without a group for the core one.
var resourceForm = regexp.MustCompile(`^(?:([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)/)?(v[0-9]+(?:(?:alpha|beta)[0-9]+)?)/([a-z](?:[-a-z0-9]*[a-z0-9])?)$`)

// parseResource reads velero.io/v1/backups, apps/v1/deployments, v1/pods.
func parseResource(text string) (kube.Resource, error) {
	m := resourceForm.FindStringSubmatch(text)
	if m == nil {
		return kube.Resource{}, fmt.Errorf("%q is not of the form group/version/resource, such as velero.io/v1/backups, or v1/pods of the core group", text)
	}
	r := kube.Resource{Group: m[1], Version: m[2], Resource: m[3]}
	if r.Group == "" && r.Resource == "secrets" {
		return kube.Resource{}, errors.New("secrets are never listed: with the list come all their values")
	}
	return r, nil
}

// looksLikePath tells a path from a word: the type of a condition may have dots and slashes as well.
func looksLikePath(text string) bool {
	for _, begin := range []string{"{", ".", "metadata.", "spec.", "status."} {
		if strings.HasPrefix(text, begin) {
			return true
		}
	}
	return false
}
