package errclass

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"plan/internal/bitwarden"
	"plan/internal/objectstore"
)

var pvs = schema.GroupResource{Resource: "persistentvolumes"}

type status struct {
	code int
	wait time.Duration
}

func (s status) Error() string             { return fmt.Sprintf("POST answered %d", s.code) }
func (s status) StatusCode() int           { return s.code }
func (s status) RetryAfter() time.Duration { return s.wait }

// api is what the SDK makes of an S3 answer.
func api(code string, httpStatus int, header http.Header) error {
	var err error = &smithy.GenericAPIError{Code: code, Message: "m"}
	resp := &smithyhttp.Response{Response: &http.Response{StatusCode: httpStatus, Header: header}}
	return &smithy.OperationError{ServiceID: "S3", OperationName: "PutObject", Err: &smithyhttp.ResponseError{Response: resp, Err: err}}
}

func stored(code string, status int, err error) error {
	return fmt.Errorf("upload: %w", &objectstore.Error{Op: "put", Store: "s3://b", Key: "k", Code: code, Status: status, Err: err})
}

func kubeStatus(code int, reason metav1.StatusReason, message string, seconds int32) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: "Failure", Code: int32(code), Reason: reason, Message: message,
		Details: &metav1.StatusDetails{RetryAfterSeconds: seconds}}}
}

func dial(errno syscall.Errno) error {
	return &url.Error{Op: "Get", URL: "https://h", Err: &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}}
}

var (
	plain    = Fault{}
	busy     = Fault{Class: Transient, Kind: Unreachable}
	again    = Fault{Class: Transient}
	no       = Fault{Class: Final, Kind: Denied}
	gone     = Fault{Class: Final, Kind: NotFound}
	bad      = Fault{Class: Final, Kind: Invalid}
	distrust = Fault{Class: Final, Kind: Unreachable}
)

func after(f Fault, d time.Duration) Fault {
	f.RetryAfter = d
	return f
}

type cases map[string]struct {
	err  error
	want Fault
}

func TestClassify(t *testing.T) {
	for _, tests := range []cases{callerCases(), kubeCases(), networkCases(), sdkCases(), storeCases(), bitwardenCases(), statusCases()} {
		for name, tc := range tests {
			t.Run(name, func(t *testing.T) {
				if diff := cmp.Diff(tc.want, Classify(tc.err), cmpopts.IgnoreFields(Fault{}, "Hint")); diff != "" {
					t.Errorf("Classify(%v), -want +got:\n%s", tc.err, diff)
				}
			})
		}
	}
}

func callerCases() cases {
	return cases{
		"nil":              {nil, plain},
		"unknown":          {errors.New("disk full"), plain},
		"lost":             {fmt.Errorf("create job: %w: %w", ErrLost, io.EOF), Fault{Class: Lost}},
		"cancelled":        {fmt.Errorf("list: %w", context.Canceled), plain},
		"deadline":         {&url.Error{Op: "Get", Err: context.DeadlineExceeded}, plain},
		"deadline at wait": {fmt.Errorf("wait: %w: %w", kubeStatus(429, metav1.StatusReasonTooManyRequests, "", 1), context.DeadlineExceeded), plain},
	}
}

func kubeCases() cases {
	return cases{
		"kube 429":                 {apierrors.NewTooManyRequests("slow", 7), after(busy, 7*time.Second)},
		"kube 500":                 {apierrors.NewInternalError(errors.New("x")), busy},
		"kube 503":                 {apierrors.NewServiceUnavailable("x"), busy},
		"kube server timeout":      {apierrors.NewServerTimeout(pvs, "list", 3), after(busy, 3*time.Second)},
		"kube timeout":             {apierrors.NewTimeoutError("x", 2), after(busy, 2*time.Second)},
		"kube 502 from a proxy":    {apierrors.NewGenericServerResponse(502, "get", pvs, "", "", 0, true), busy},
		"kube expired":             {fmt.Errorf("list: %w", apierrors.NewResourceExpired("too old")), again},
		"kube leader changed":      {kubeStatus(500, metav1.StatusReasonInternalError, "etcdserver: leader changed", 0), busy},
		"leader changed, as words": {errors.New("rpc error: etcdserver: leader changed"), busy},
		"kube quota conflict": {apierrors.NewConflict(schema.GroupResource{Resource: "resourcequotas"}, "q",
			errors.New("the object has been modified; please apply your changes to the latest version and try again")), again},
		"kube conflict":       {apierrors.NewConflict(pvs, "p", errors.New("the object has been modified")), plain},
		"kube exists":         {apierrors.NewAlreadyExists(pvs, "p"), plain},
		"kube forbidden":      {apierrors.NewForbidden(pvs, "", errors.New("no rule")), no},
		"kube quota exceeded": {apierrors.NewForbidden(pvs, "", errors.New("exceeded quota: q")), no},
		"kube unauthorized":   {apierrors.NewUnauthorized("x"), no},
		"kube not found":      {apierrors.NewNotFound(pvs, "p"), gone},
		"kube bad request":    {apierrors.NewBadRequest("x"), bad},
		"kube invalid":        {apierrors.NewInvalid(schema.GroupKind{Kind: "Job"}, "j", nil), bad},
	}
}

func networkCases() cases {
	return cases{
		"reset":             {dial(syscall.ECONNRESET), busy},
		"refused":           {dial(syscall.ECONNREFUSED), busy},
		"no route":          {dial(syscall.EHOSTUNREACH), busy},
		"broken pipe":       {dial(syscall.EPIPE), busy},
		"EOF":               {&url.Error{Op: "Get", Err: io.EOF}, busy},
		"unexpected EOF":    {fmt.Errorf("read page: %w", io.ErrUnexpectedEOF), busy},
		"GOAWAY":            {errors.New("http2: server sent GOAWAY and closed the connection; LastStreamID=1"), busy},
		"connection lost":   {errors.New("http2: client connection lost"), busy},
		"stream error":      {errors.New("stream error: stream ID 3; INTERNAL_ERROR; received from peer"), busy},
		"TLS timeout":       {errors.New("net/http: TLS handshake timeout"), busy},
		"idle closed":       {errors.New("http: server closed idle connection"), busy},
		"DNS for now":       {&net.DNSError{Err: "server misbehaving", Name: "h", IsTemporary: true}, busy},
		"DNS no such host":  {&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "h", IsNotFound: true}}, busy},
		"net timeout":       {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, busy},
		"unknown authority": {&url.Error{Op: "Get", Err: x509.UnknownAuthorityError{}}, distrust},
		"wrong host name":   {x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}, distrust},
		"expired leaf":      {x509.CertificateInvalidError{Reason: x509.Expired}, distrust},
		"http server":       {&url.Error{Op: "Get", Err: errors.New("http: server gave HTTP response to HTTPS client")}, distrust},
	}
}

func sdkCases() cases {
	return cases{
		"S3 slow down":       {api("SlowDown", 503, http.Header{"Retry-After": {"4"}}), after(busy, 4*time.Second)},
		"S3 request timeout": {api("RequestTimeout", 400, nil), busy},
		"S3 internal":        {api("InternalError", 500, nil), busy},
		"S3 503":             {api("", 503, nil), busy},
		"S3 denied":          {api("AccessDenied", 403, nil), no},
		"S3 signature":       {api("SignatureDoesNotMatch", 403, nil), no},
		"S3 key id":          {api("InvalidAccessKeyId", 403, nil), no},
		"S3 clock":           {api("RequestTimeTooSkewed", 403, nil), no},
		"S3 no bucket":       {api("NoSuchBucket", 404, nil), gone},
		"S3 region":          {api("AuthorizationHeaderMalformed", 400, nil), bad},
		"S3 invalid":         {api("MalformedXML", 400, nil), bad},
		"S3 conflict":        {api("ConditionalRequestConflict", 409, nil), again},
		"S3 digest":          {api("BadDigest", 400, nil), again},
	}
}

func storeCases() cases {
	return cases{
		"store slow down":   {stored("SlowDown", 503, errors.New("x")), busy},
		"store HEAD 503":    {stored("", 503, errors.New("x")), busy},
		"store HEAD 403":    {stored("", 403, fmt.Errorf("%w: x", objectstore.ErrDenied)), no},
		"store no bucket":   {stored("NoSuchBucket", 404, objectstore.ErrNoBucket), gone},
		"store no object":   {stored("NoSuchKey", 404, objectstore.ErrNotFound), gone},
		"store exists":      {stored("PreconditionFailed", 412, objectstore.ErrExists), plain},
		"store incomplete":  {stored("", 200, objectstore.ErrIncomplete), busy},
		"store damaged":     {stored("BadDigest", 400, objectstore.ErrDamaged), again},
		"store bad key":     {stored("", 0, objectstore.ErrInvalid), bad},
		"store refused":     {stored("", 0, dial(syscall.ECONNREFUSED)), busy},
		"dir not permitted": {stored("", 0, &os.PathError{Op: "open", Path: "/b", Err: syscall.EACCES}), no},
		"deletes, one refused": {objectstore.JoinDelete([]*objectstore.DeleteError{
			{Key: "a", Err: stored("SlowDown", 503, errors.New("x"))}, {Key: "b", Err: stored("AccessDenied", 403, objectstore.ErrDenied)}}), no},
		"deletes, all busy": {objectstore.JoinDelete([]*objectstore.DeleteError{{Key: "a", Err: stored("SlowDown", 503, errors.New("x"))}}), busy},
	}
}

func bitwardenCases() cases {
	return cases{
		"Bitwarden 429":       {&bitwarden.APIError{Op: "login", Status: 429, RetryAfter: 9 * time.Second}, after(busy, 9*time.Second)},
		"Bitwarden 500":       {&bitwarden.APIError{Status: 500}, busy},
		"Bitwarden 401":       {&bitwarden.APIError{Status: 401}, no},
		"Bitwarden 400":       {&bitwarden.APIError{Status: 400}, bad},
		"Bitwarden 404":       {&bitwarden.APIError{Status: 404}, gone},
		"Bitwarden login":     {fmt.Errorf("log in: %w", bitwarden.ErrInvalidClient), no},
		"Bitwarden missing":   {fmt.Errorf("get: %w", bitwarden.ErrNotFound), gone},
		"Bitwarden tampered":  {bitwarden.ErrTampered, bad},
		"Bitwarden ambiguous": {&bitwarden.AmbiguousError{}, bad},
		"Bitwarden HTML":      {bitwarden.ErrAnswer, Fault{Kind: Unreachable}},
	}
}

func statusCases() cases {
	return cases{
		"any 429":                     {fmt.Errorf("ping: %w", status{429, time.Minute}), after(busy, time.Minute)},
		"any 403":                     {status{code: 403}, no},
		"any 422":                     {status{code: 422}, bad},
		"any 301":                     {status{code: 301}, bad},
		"any 501":                     {status{code: 501}, bad},
		"any 418":                     {status{code: 418}, bad},
		"busy and refused":            {errors.Join(status{code: 503}, status{code: 403}), no},
		"refusals have no RetryAfter": {status{403, time.Minute}, no},
	}
}

func TestEveryRefusalOfTrustHasAHint(t *testing.T) {
	for _, err := range []error{x509.UnknownAuthorityError{}, x509.HostnameError{Certificate: &x509.Certificate{}}, x509.CertificateInvalidError{}} {
		if Classify(err).Hint == "" {
			t.Errorf("%T has no hint", err)
		}
	}
}

func TestParseRetryAfter(t *testing.T) {
	now := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	tests := map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "-1": 0, "soon": 0, "99999999": 24 * time.Hour,
		"Wed, 01 May 2024 12:00:30 GMT": 30 * time.Second, "Wed, 01 May 2024 11:00:00 GMT": 0,
	}
	for header, want := range tests {
		if got := ParseRetryAfter(header, now); got != want {
			t.Errorf("ParseRetryAfter(%q) = %v, want %v", header, got, want)
		}
	}
}
