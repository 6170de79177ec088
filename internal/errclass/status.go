package errclass

import (
	"net/http"
	"strconv"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/bitwarden"
	"plan/internal/objectstore"
)

// byStatus tells what an HTTP status means by itself (RFC 9110 section 15, RFC 6585 section 4 for 429).
func byStatus(code int) (Fault, bool) {
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusPaymentRequired:
		return Fault{Class: Final, Kind: Denied}, true
	case http.StatusNotFound:
		return Fault{Class: Final, Kind: NotFound}, true
	case http.StatusGone: // of a list or a watch: begin again
		return Fault{Class: Transient}, true
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return Fault{Class: Transient, Kind: Unreachable}, true
	case http.StatusConflict, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return Fault{Class: Failure}, true
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return Fault{Class: Final, Kind: Invalid}, true
	}
	switch code / 100 {
	case 3, 4:
		return Fault{Class: Final, Kind: Invalid}, true
	case 5:
		return Fault{Class: Transient, Kind: Unreachable}, true
	}
	return Fault{}, false
}

// statusOf is the HTTP status that an error carries, 0 if none. Only err itself is looked at.
func statusOf(err error) int {
	switch e := err.(type) {
	case apierrors.APIStatus:
		return int(e.Status().Code)
	case *objectstore.Error:
		return e.Status
	case *bitwarden.APIError:
		return e.Status
	case interface{ HTTPStatusCode() int }: // smithy-go
		return e.HTTPStatusCode()
	case interface{ StatusCode() int }:
		return e.StatusCode()
	}
	return 0
}

// waitOf is how long err asks to wait, 0 if it does not. Only err itself is looked at.
func waitOf(err error) time.Duration {
	switch e := err.(type) {
	case apierrors.APIStatus:
		if d := e.Status().Details; d != nil {
			return time.Duration(d.RetryAfterSeconds) * time.Second
		}
	case *bitwarden.APIError:
		return e.RetryAfter
	case *smithyhttp.ResponseError:
		if e.Response != nil && e.Response.Response != nil {
			return ParseRetryAfter(e.Response.Header.Get("Retry-After"), time.Now())
		}
	case interface{ RetryAfter() time.Duration }:
		return e.RetryAfter()
	}
	return 0
}

// ParseRetryAfter reads the header of that name: seconds or a date (RFC 9110 10.2.3). What is neither, or past, is 0.
func ParseRetryAfter(header string, now time.Time) time.Duration {
	const most = 24 * 60 * 60 // seconds; no server means more
	if n, err := strconv.Atoi(header); err == nil {
		return time.Duration(min(max(n, 0), most)) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), most*time.Second)
}
