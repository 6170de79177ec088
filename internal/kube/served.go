package kube

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// GroupVersions are the versions of an API group that the server has, the one that it prefers first; none if it does not know the group. Who is
// authenticated may ask, unless somebody has taken that away from system:discovery.
func (c *Client) GroupVersions(ctx context.Context, group string) ([]string, error) {
	path, field := "/apis/"+url.PathEscape(group), "versions.#.version"
	if group == "" {
		path, field = "/api", "versions"
	}
	return c.discover(ctx, "find the versions of "+group, path, field)
}

// ServedBy are the names of the resources that the server has in a version of an API group, those of subresources as pods/log; none if it does
// not know the version.
func (c *Client) ServedBy(ctx context.Context, group, version string) ([]string, error) {
	r := Resource{Group: group, Version: version, Resource: "x"}
	path := r.Path()
	return c.discover(ctx, "find the resources of "+r.APIVersion(), path[:len(path)-len("/x")], "resources.#.name")
}

// discover reads a list of names; what the server does not know is an empty one.
func (c *Client) discover(ctx context.Context, what, path, field string) ([]string, error) {
	body, err := c.object(ctx, what, path)
	if status, ok := errors.AsType[*apierrors.StatusError](err); ok && status.ErrStatus.Code == http.StatusNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range gjson.GetBytes(body, field).Array() {
		names = append(names, name.String())
	}
	return names, nil
}
