package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"plan/internal/errclass"
	"plan/internal/pause"
)

var (
	// ErrNoConfig means that there is no kubeconfig where one was asked for, or none at all and no service account.
	ErrNoConfig = errors.New("no kubeconfig")
	// ErrNoContext means that the kubeconfig has no context of that name, or none that is current.
	ErrNoContext = errors.New("no such context")
	// ErrExpired means that the server has forgotten the list being paged through (410 Gone): begin again from the first
	// page. The error is an apierrors.StatusError too.
	ErrExpired = errors.New("the list expired while it was being read; it must be read again from the start")
	// ErrNotServed means that the server does not know the resource, as when its CRD is not installed (404 on a list; a
	// server answers a list of a known resource without objects with 200). The error is an apierrors.StatusError too.
	ErrNotServed = errors.New("the server does not have this resource")
	// ErrNoKey means that a Secret has no such key.
	ErrNoKey = errors.New("no key")
)

// A busy server is asked again as often as client-go does, but never later than maxWait: the caller's timeout is for work.
const (
	maxTries = 10
	maxWait  = 30 * time.Second
)

// maxStatus bounds an answer that is an error. One about an object with many faults has a line for each.
const maxStatus = 1 << 20

// retryAfter is how long the server asks to wait before the same request is made again; negative if it does not ask. Only 429
// and 5xx count (RFC 9110 10.2.3 has the header in a 3xx too). The date form is not used by API servers.
func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500 {
		return -1
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return -1
	}
	return min(time.Duration(seconds)*time.Second, maxWait)
}

// statusError makes the error that client-go would make of an answer: the server's Status if there is one. Of an answer that breaks off
// nothing is certain, not even that it is a refusal: a 409 alone does not tell "exists already" from "has changed".
func statusError(req *http.Request, resp *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus))
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Kind == "Status" && status.Status != metav1.StatusSuccess {
		if status.Code == 0 {
			status.Code = int32(resp.StatusCode)
		}
		return &apierrors.StatusError{ErrStatus: status}
	}
	if isJSON := strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json"); err == nil && isJSON && !gjson.ValidBytes(body) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("read the answer %s after %d bytes: %w", resp.Status, len(body), err)
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	text := strings.Join(strings.Fields(string(body[:min(len(body), 200)])), " ")
	return apierrors.NewGenericServerResponse(resp.StatusCode, strings.ToLower(req.Method), schema.GroupResource{}, "",
		text, seconds, true)
}

// Passing tells whether the same call may succeed later: it was not answered, ran out of its time, or its error passes by itself.
func Passing(err error) bool {
	return errors.Is(err, ErrUnanswered) || errors.Is(err, context.DeadlineExceeded) || errclass.Classify(err).Class == errclass.Transient
}

// maxRepeats is how often Repeat makes a call.
const maxRepeats = 4

// Repeat makes a call that changes nothing, however often it is made, until it is answered: at most four times, as long as its errors pass by
// themselves. The error is that of the last.
func Repeat(ctx context.Context, call func() error) error {
	for try, delay := 1, 250*time.Millisecond; ; try, delay = try+1, 2*delay {
		err := call()
		if err == nil || !Passing(err) || try == maxRepeats || pause.For(ctx, delay) != nil {
			return err
		}
	}
}

// TimedOut words the end of the time that a caller has given a call of its own accord: the server does not answer, which is another thing
// than the end of ctx, under which the caller itself works.
func TimedOut(ctx context.Context, limit time.Duration, err error) error {
	if ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("no answer within %s: %w: %v", limit, os.ErrDeadlineExceeded, err)
}

// refused tells whether the server said no, so that nothing was executed.
func refused(err error) bool {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	return ok && status.ErrStatus.Code < 500
}

// cause takes off the layer of net/http that repeats the URL.
func cause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// list joins names for a message.
func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}
