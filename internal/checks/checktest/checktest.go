// Package checktest has what tests of checks share: the errors that a check may meet, and what every finding must have.
package checktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"plan/internal/checks"
	"plan/internal/kube"
	"plan/internal/objectstore"
)

// Fault is an error that a check may meet.
type Fault struct {
	Err   error
	Name  checks.Name // what it is called
	Again bool        // another try may help
	Ended bool        // the caller's own context ended
}

var backups = schema.GroupResource{Group: "velero.io", Resource: "backups"}

// Cluster are the errors of an API server and of the way to it.
func Cluster() map[string]Fault {
	list := func(err error) error { return fmt.Errorf("list backups.velero.io at https://10.0.0.1:6443: %w", err) }
	gone := apierrors.NewGenericServerResponse(404, "get", backups, "", "404 page not found", 0, true)
	return map[string]Fault{
		"forbidden":    {Err: list(apierrors.NewForbidden(backups, "", errors.New("no rule"))), Name: checks.NotAllowed},
		"unauthorized": {Err: list(apierrors.NewUnauthorized("token expired")), Name: checks.NotAllowed},
		"not served":   {Err: fmt.Errorf("%w: %w", kube.ErrNotServed, list(gone)), Name: checks.NotInstalled},
		"throttled":    {Err: list(apierrors.NewTooManyRequests("slow", 7)), Name: checks.Unreachable, Again: true},
		"broken":       {Err: list(apierrors.NewInternalError(errors.New("etcd"))), Name: checks.Unreachable, Again: true},
		"unavailable":  {Err: list(apierrors.NewServiceUnavailable("starting")), Name: checks.Unreachable, Again: true},
		"expired":      {Err: fmt.Errorf("%w: %w", kube.ErrExpired, apierrors.NewResourceExpired("too old")), Name: checks.Unreachable, Again: true},
		"bad request":  {Err: list(apierrors.NewBadRequest("selector")), Name: checks.Unreadable},
		"no list":      {Err: list(errors.New(`the answer is not a list but kind "Status"`)), Name: checks.Unreadable},
	}
}

// Store are the errors of an object store.
func Store() map[string]Fault {
	list := func(code string, status int, err error) error {
		return &objectstore.Error{Op: "list", Store: "s3://b", Key: "dumps/", Code: code, Status: status, Err: err}
	}
	return map[string]Fault{
		"denied":     {Err: list("AccessDenied", 403, objectstore.ErrDenied), Name: checks.NotAllowed},
		"wrong key":  {Err: list("SignatureDoesNotMatch", 403, errors.New("signature")), Name: checks.NotAllowed},
		"no bucket":  {Err: list("NoSuchBucket", 404, objectstore.ErrNoBucket), Name: checks.NoStore},
		"cut":        {Err: list("", 200, objectstore.ErrIncomplete), Name: checks.Unreachable, Again: true},
		"slow down":  {Err: list("SlowDown", 503, errors.New("reduce your rate")), Name: checks.Unreachable, Again: true},
		"impossible": {Err: list("", 0, objectstore.ErrInvalid), Name: checks.Unreadable},
	}
}

// Anywhere are the errors that do not depend on who was asked.
func Anywhere() map[string]Fault {
	dial := func(err error) error { return &url.Error{Op: "Get", URL: "https://h", Err: err} }
	refused := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	return map[string]Fault{
		"refused":        {Err: dial(refused), Name: checks.Unreachable, Again: true},
		"reset":          {Err: dial(syscall.ECONNRESET), Name: checks.Unreachable, Again: true},
		"cut off":        {Err: fmt.Errorf("read: %w", io.ErrUnexpectedEOF), Name: checks.Unreachable, Again: true},
		"host unknown":   {Err: dial(&net.DNSError{Err: "no such host", IsNotFound: true}), Name: checks.Unreachable, Again: true},
		"network slow":   {Err: dial(&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}), Name: checks.Unreachable, Again: true},
		"cancelled":      {Err: fmt.Errorf("list: %w", context.Canceled), Name: checks.Unfinished, Ended: true},
		"out of time":    {Err: fmt.Errorf("list: %w", context.DeadlineExceeded), Name: checks.Unfinished, Ended: true},
		"something else": {Err: errors.New("disk full"), Name: checks.Unreadable},
	}
}

// Complete wants each entry of a step's output findings to have all that a finding has, with a cause and a next step where it is not OK.
func Complete(t testing.TB, findings any) {
	t.Helper()
	list, ok := findings.([]any)
	if !ok {
		t.Fatalf("findings is a %T", findings)
	}
	for _, entry := range list {
		f := entry.(map[string]any)
		for _, key := range []string{"finding", "verdict", "object", "message", "cause", "next"} {
			if _, ok := f[key].(string); !ok {
				t.Errorf("%s is missing in %v", key, f)
			}
		}
		if f["message"] == "" || f["finding"] != "OK" && (f["cause"] == "" || f["next"] == "") {
			t.Errorf("message, cause or next step is empty in %v", f)
		}
		name, _ := f["finding"].(string)
		if name != strings.ToUpper(name) || strings.ContainsAny(name, " -") {
			t.Errorf("%q is no finding's name", name)
		}
		verdict, _ := f["verdict"].(string)
		if !slices.Contains([]string{"pass", "fail", "unknown", "none"}, verdict) || (name == "OK") != (verdict == "pass") {
			t.Errorf("%s has verdict %q", name, verdict)
		}
	}
}
