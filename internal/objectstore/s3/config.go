package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

// Config says which bucket on which server, and as whom.
type Config struct {
	Bucket    string
	Endpoint  string // without scheme it is https; "" is AWS in Region
	Region    string // "" is us-east-1
	PathStyle bool   // https://host/bucket/key instead of https://bucket.host/key
	Insecure  bool   // accept any certificate
	CAFile    string // PEM; trusted besides the system's roots

	// All empty: the SDK's chain (AWS_ variables, shared files, a
	// container's or web identity's role), without instance metadata.
	AccessKey    string
	SecretKey    string `json:"-"`
	SessionToken string `json:"-"`

	// WrapTransport, if set, gets the HTTP transport and returns the one to use.
	WrapTransport func(http.RoundTripper) http.RoundTripper `json:"-"`
	// MaxBackoff bounds the wait between two tries of one request; 0 is 5 s.
	MaxBackoff time.Duration
}

// String is the place, "s3://bucket at https://host", and nothing secret.
func (c Config) String() string {
	where := c.Endpoint
	switch {
	case where == "":
		where = "AWS " + c.region()
	case !strings.Contains(where, "://"):
		where = "https://" + where
	}
	return "s3://" + c.Bucket + " at " + strings.TrimRight(where, "/")
}

// GoString is String, so that %#v shows no secret either.
func (c Config) GoString() string { return c.String() }

func (c Config) region() string {
	if c.Region == "" {
		return "us-east-1"
	}
	return c.Region
}

// bucketName is wider than AWS's rule for new buckets: old buckets have
// capitals and underscores, Ceph writes tenant:bucket.
var bucketName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]+[A-Za-z0-9]$`)

// maxBucketName is not in the expression: a count of 253 takes a tenth of the program's start to compile.
const maxBucketName = 255

// check finds what can be wrong before a connection is made, and gives the
// endpoint with its scheme, nil for AWS.
func (c Config) check() (*string, error) {
	if len(c.Bucket) > maxBucketName || !bucketName.MatchString(c.Bucket) {
		return nil, fmt.Errorf("bucket %q: not a bucket name (3 to 255 letters, digits, dots and dashes)", c.Bucket)
	}
	if (c.AccessKey == "") != (c.SecretKey == "") || c.SessionToken != "" && c.AccessKey == "" {
		return nil, fmt.Errorf("credentials of bucket %s: access key and secret key go together", c.Bucket)
	}
	if c.Endpoint == "" {
		return nil, nil
	}
	endpoint := c.Endpoint
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.User != nil { // neither may be printed: it may hold a password
		return nil, fmt.Errorf("endpoint of bucket %s: not a URL, or one with a user or password in it", c.Bucket)
	}
	if u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("endpoint %q: want host, host:port, or a URL of https or http", endpoint)
	}
	endpoint = strings.TrimRight(endpoint, "/")
	return &endpoint, nil
}

// transport bounds every step of a connection. The transfer itself has no
// limit but the caller's context.
func (c Config) transport() (http.RoundTripper, error) {
	const parallel = 64 // idle connections kept: 32 HEADs at once and some more
	tlsConfig := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.Insecure,
		// Some servers close the connection after each answer; resuming the session saves most of the next handshake.
		ClientSessionCache: tls.NewLRUClientSessionCache(parallel)}
	if c.CAFile != "" {
		pool, err := roots(c.CAFile)
		if err != nil {
			return nil, err
		}
		tlsConfig.RootCAs = pool
	}
	var rt http.RoundTripper = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       tlsConfig,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 60 * time.Second,
		ExpectContinueTimeout: time.Second,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConns:          parallel,
		MaxIdleConnsPerHost:   parallel,
		DisableCompression:    true, // the stored bytes are wanted, not what they unpack to
	}
	if c.WrapTransport != nil {
		rt = c.WrapTransport(rt)
	}
	return rt, nil
}

func roots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA file %s: no PEM certificate in it", file)
	}
	return pool, nil
}

// credentials takes nothing else from the environment or the shared files
// than credentials: an endpoint there must not redirect the one in Config.
func (c Config) credentials(ctx context.Context) (aws.CredentialsProvider, error) {
	if c.AccessKey != "" {
		return credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey, c.SessionToken), nil
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx,
		awsconfig.WithEC2IMDSClientEnableState(imds.ClientDisabled),
		awsconfig.WithRegion(c.region()))
	if err != nil {
		return nil, fmt.Errorf("load AWS credential settings: %w", err)
	}
	return aws.NewCredentialsCache(chain{cfg.Credentials}), nil
}

// chain words the error of a machine that has no credentials.
type chain struct{ aws.CredentialsProvider }

func (c chain) Retrieve(ctx context.Context) (aws.Credentials, error) {
	v, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return v, &credentialsError{err}
	}
	return v, nil
}

type credentialsError struct{ err error }

func (e *credentialsError) Error() string {
	return "find credentials (none are configured; looked in AWS_ variables, the shared AWS files and the container's role, not in instance metadata): " + e.err.Error()
}

func (e *credentialsError) Unwrap() error { return e.err }
