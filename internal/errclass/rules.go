package errclass

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"plan/internal/bitwarden"
	"plan/internal/objectstore"
)

// rule is one line of the table.
type rule struct {
	name  string
	match func(error) (Fault, bool)
}

// when makes a rule of a condition.
func when(name string, holds func(error) bool, f Fault) rule {
	return rule{name, func(err error) (Fault, bool) { return f, holds(err) }}
}

// is says whether one of targets is in the tree.
func is(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

var (
	down      = Fault{Class: Transient, Kind: Unreachable}
	denied    = Fault{Class: Final, Kind: Denied}
	invalid   = Fault{Class: Final, Kind: Invalid}
	untrusted = Fault{Class: Final, Kind: Unreachable}
)

func (f Fault) hint(text string) Fault {
	f.Hint = text
	return f
}

// rules is the table. The first rule that matches decides: what is certain first, then refusals, then what passes by itself.
func rules() []rule {
	groups := [][]rule{caller(), trust(), {{"its own words", own}}, bitwardenRules(), storeRules(), kubernetes(), statuses(), network()}
	var all []rule
	for _, g := range groups {
		all = append(all, g...)
	}
	return all
}

func caller() []rule {
	return []rule{
		when("outcome unknown", is(ErrLost), Fault{Class: Lost}),
		when("caller's context", ownContext, Fault{}),
	}
}

// trust are the errors of a TLS handshake that will be the same next time.
func trust() []rule {
	return []rule{
		when("unknown authority", as(func(x509.UnknownAuthorityError) bool { return true }),
			untrusted.hint("the server's certificate is signed by an authority that is not trusted here: name its CA (caFile, or certificate-authority in the kubeconfig)")),
		when("host name", as(func(x509.HostnameError) bool { return true }),
			untrusted.hint("the server's certificate is for another name: use a name that is in it")),
		when("certificate", as(func(x509.CertificateInvalidError) bool { return true }),
			untrusted.hint("the server's certificate is not valid: check its dates and uses, and this machine's clock")),
		when("system roots", as(func(x509.SystemRootsError) bool { return true }),
			untrusted.hint("this machine has no root certificates: install ca-certificates or name a caFile")),
		when("verification", as(func(*tls.CertificateVerificationError) bool { return true }),
			untrusted.hint("the server's certificate was refused")),
		when("not TLS", as(func(tls.RecordHeaderError) bool { return true }),
			untrusted.hint("the server does not speak TLS on this port: check scheme and port")),
		when("plain HTTP", says("server gave HTTP response to HTTPS client"),
			untrusted.hint("the server does not speak TLS on this port: check scheme and port")),
		when("TLS alert", as(func(tls.AlertError) bool { return true }),
			untrusted.hint("the server refused the TLS handshake: a client certificate or a TLS version does not suit it")),
	}
}

func bitwardenRules() []rule {
	return []rule{
		when("login refused", is(bitwarden.ErrInvalidClient),
			denied.hint("make a new access token, or set the server URL of its region")),
		when("session refused", is(bitwarden.ErrUnauthorized), denied),
		when("secret", is(bitwarden.ErrNotFound), Fault{Class: Final, Kind: NotFound}),
		when("no access token", is(bitwarden.ErrAccessToken), invalid),
		when("encryption", is(bitwarden.ErrTampered, bitwarden.ErrEncString), invalid),
		when("limits", is(bitwarden.ErrLimit, bitwarden.ErrTooLarge, bitwarden.ErrRedirect), invalid),
		when("ambiguous", as(func(*bitwarden.AmbiguousError) bool { return true }), invalid.hint("give the id")),
	}
}

func storeRules() []rule {
	exists := Fault{Class: Failure}
	return []rule{
		when("S3 clock", code("RequestTimeTooSkewed", "RequestExpired"), denied.hint("set this machine's clock")),
		when("S3 keys", code("SignatureDoesNotMatch", "InvalidAccessKeyId", "InvalidToken", "ExpiredToken", "InvalidClientTokenId", "ExpiredTokenException"),
			denied.hint("check the access key, the secret key and the region")),
		when("S3 denied", code("AccessDenied", "AccessDeniedException", "AllAccessDisabled", "AccountProblem", "InvalidSecurity", "NotSignedUp", "Forbidden", "UnauthorizedAccess"), denied),
		when("store denied", is(objectstore.ErrDenied, fs.ErrPermission), denied),
		when("S3 keys missing", says("find credentials", "get credentials:", "static credentials are empty"),
			denied.hint("give credentials in the store, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")),
		when("S3 region", code("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "TemporaryRedirect"),
			invalid.hint("check the store's region and endpoint")),
		when("S3 request", code("InvalidBucketName", "InvalidArgument", "InvalidRequest", "EntityTooLarge", "MethodNotAllowed", "NotImplemented"), invalid),
		when("store request", is(objectstore.ErrInvalid), invalid),
		when("no bucket", is(objectstore.ErrNoBucket), Fault{Class: Final, Kind: NotFound, Hint: "create it, or correct its name"}),
		when("no object", is(objectstore.ErrNotFound), Fault{Class: Final, Kind: NotFound}),
		when("S3 nothing there", code("NoSuchBucket", "NoSuchKey", "NoSuchUpload", "NotFound"), Fault{Class: Final, Kind: NotFound}),
		when("exists", is(objectstore.ErrExists, objectstore.ErrRange), exists),
		when("S3 busy", code("SlowDown", "RequestTimeout", "RequestTimeoutException", "InternalError", "InternalFailure", "ServiceUnavailable",
			"Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException", "RequestLimitExceeded",
			"BandwidthLimitExceeded", "TooManyRequests", "TooManyRequestsException", "ServerBusy", "Busy"), down),
		when("S3 conflict", code("OperationAborted", "ConditionalRequestConflict", "PriorRequestNotComplete"), Fault{Class: Transient}),
		when("damaged on the way", code("BadDigest", "IncompleteBody", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"), Fault{Class: Transient}),
		when("damaged", is(objectstore.ErrDamaged), Fault{Class: Transient}),
		when("listing cut", is(objectstore.ErrIncomplete), Fault{Class: Transient, Kind: Unreachable}),
	}
}

func kubernetes() []rule {
	return []rule{
		when("quota conflict", quotaConflict, Fault{Class: Transient}),
		when("etcd", says("etcdserver: leader changed", "etcdserver: request timed out", "etcdserver: no leader", "etcdserver: too many requests"), down),
		when("expired", func(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }, Fault{Class: Transient}),
	}
}

// quotaConflict is true when two objects were counted against a ResourceQuota at the same time: the API server then answers the
// creation with the conflict of its own update of the quota.
func quotaConflict(err error) bool {
	return apierrors.IsConflict(err) && says("resourcequota", "quota")(err) && says("object has been modified")(err)
}

func statuses() []rule {
	return []rule{
		{"status refused", func(err error) (Fault, bool) {
			f, ok := byAnyStatus(err, func(f Fault) bool { return f.Class == Final })
			return f, ok
		}},
		{"status", func(err error) (Fault, bool) { return byAnyStatus(err, func(Fault) bool { return true }) }},
		when("another server", is(bitwarden.ErrAnswer), Fault{Class: Failure, Kind: Unreachable, Hint: "something else answers at this address, such as a proxy: check the server URL"}),
	}
}

func network() []rule {
	return []rule{
		when("host unknown", as(func(e *net.DNSError) bool { return e.IsNotFound }), down.hint("check the host name")),
		when("DNS", as(func(*net.DNSError) bool { return true }), down),
		when("timeout", as(func(e net.Error) bool { return e.Timeout() }), down),
		when("refused", is(refused...), down.hint("nothing listens there: check host and port, or wait for the server")),
		when("connection", is(broken...), down),
		when("connection, in words", says(brokenWords...), down),
	}
}
