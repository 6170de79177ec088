package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// Access is a call as the authorizer sees it: of a create the name is never seen, nor is that of a list or a watch unless it selects by
// metadata.name.
type Access struct{ Verb, Group, Resource, Subresource, Namespace, Name string }

// String is the call in words: get secrets work/token, create jobs.batch in work.
func (a Access) String() string {
	what := a.Resource
	if a.Subresource != "" {
		what += "/" + a.Subresource
	}
	if a.Group != "" {
		what += "." + a.Group
	}
	switch {
	case a.Name != "" && a.Namespace != "" && a.Resource != "namespaces":
		return a.Verb + " " + what + " " + a.Namespace + "/" + a.Name
	case a.Name != "":
		return a.Verb + " " + what + " " + a.Name
	case a.Namespace != "":
		return a.Verb + " " + what + " in " + a.Namespace
	}
	return a.Verb + " " + what + " in all namespaces"
}

// accessReviews is where a client asks what it may do. Everybody who is authenticated may, unless somebody has taken that away from
// system:basic-user.
const accessReviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

// Allowed asks the API server whether this client may make a call. The reason is the authorizer's and may be empty.
func (c *Client) Allowed(ctx context.Context, a Access) (allowed bool, reason string, err error) {
	what := "ask for the right to " + a.String()
	attributes := map[string]string{}
	for key, value := range map[string]string{
		"verb": a.Verb, "group": a.Group, "resource": a.Resource, "subresource": a.Subresource, "namespace": a.Namespace, "name": a.Name,
	} {
		if value != "" {
			attributes[key] = value
		}
	}
	body, err := json.Marshal(map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": map[string]any{"resourceAttributes": attributes},
	})
	if err != nil {
		return false, "", fmt.Errorf("%s: %w", what, err)
	}
	var data json.RawMessage
	err = Repeat(ctx, func() (err error) {
		data, err = c.write(ctx, http.MethodPost, what, accessReviews, "application/json", body, WriteOptions{})
		return err
	})
	if err != nil {
		return false, "", err
	}
	status := gjson.GetBytes(data, "status")
	if !status.Get("allowed").Exists() {
		return false, "", fmt.Errorf("%s at %s: the answer has no status.allowed", what, c.Host())
	}
	return status.Get("allowed").Bool(), strings.TrimSpace(status.Get("reason").String() + " " + status.Get("evaluationError").String()), nil
}
