// Package s3 keeps objects on an S3-compatible server.
//
// Requests are tried four times at most, by the SDK's own rules (5xx,
// throttling, broken connections; not a certificate that is refused), which is safe for all of them: a Put with
// IfAbsent that meets its own earlier try ends in ErrExists.
package s3

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"plan/internal/objectstore"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// Store is an objectstore.Store in one bucket. Beyond the contract:
//   - Head has no error body: a 404 is ErrNotFound also when the bucket is
//     missing (or, on versitygw, the access key unknown), and a 403 may stand
//     for a key that is not there. List tells these apart.
//   - Put with IfAbsent sends If-None-Match (RFC 9110 13.1.2). A server that
//     refuses the header (501 or 400) is asked with a HEAD and then given the
//     object without it: two writers at the same instant may then both
//     succeed, and the later one stays.
//   - Objects are one PUT; S3 takes at most 5 GiB in one.
//   - Redirects are not followed: a signed request goes nowhere else.
type Store struct {
	client   *awss3.Client
	bucket   string
	location string
}

// New makes a Store and connects to nothing yet. It reads c.CAFile and, without
// static keys, the SDK's settings.
func New(ctx context.Context, c Config) (*Store, error) {
	endpoint, err := c.check()
	if err != nil {
		return nil, err
	}
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	creds, err := c.credentials(ctx)
	if err != nil {
		return nil, err
	}
	client := awss3.New(awss3.Options{
		BaseEndpoint: endpoint,
		Region:       c.region(),
		UsePathStyle: c.PathStyle,
		Credentials:  creds,
		HTTPClient: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}},
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 4
			o.Retryables = slices.Concat([]retry.IsErrorRetryable{retry.IsErrorRetryableFunc(untrusted)}, o.Retryables,
				[]retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: conflicts}})
			o.MaxBackoff = cmp.Or(c.MaxBackoff, 5*time.Second)
		}),
		// Some servers refuse the trailing checksums that the SDK sends by default.
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
	return &Store{client: client, bucket: c.Bucket, location: c.String()}, nil
}

// conflicts are the 409s that say "again, please" (S3 API reference, PutObject,
// "conditional writes").
var conflicts = map[string]struct{}{"ConditionalRequestConflict": {}, "OperationAborted": {}}

// untrusted are the failures of a TLS handshake that come again with every try; the SDK takes them for broken connections.
func untrusted(err error) aws.Ternary {
	certificate, record, alert := (*tls.CertificateVerificationError)(nil), tls.RecordHeaderError{}, tls.AlertError(0)
	if errors.As(err, &certificate) || errors.As(err, &record) || errors.As(err, &alert) ||
		err != nil && strings.Contains(err.Error(), "server gave HTTP response to HTTPS client") { // net/http has no type for it
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// String is the place, "s3://bucket at https://host".
func (s *Store) String() string { return s.location }

// Head implements objectstore.Store.
func (s *Store) Head(ctx context.Context, key string) (objectstore.Info, error) {
	if err := objectstore.CheckKey(key); err != nil {
		return objectstore.Info{}, s.fail(ctx, "head", key, err)
	}
	out, err := s.client.HeadObject(ctx, &awss3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return objectstore.Info{}, s.fail(ctx, "head", key, err)
	}
	if out.ContentLength == nil {
		return objectstore.Info{}, s.fail(ctx, "head", key, errNoLength)
	}
	info := objectstore.Info{Metadata: metadata(out.Metadata)}
	info.Object = objectstore.Object{Key: key, Size: *out.ContentLength, LastModified: aws.ToTime(out.LastModified)}
	return info, nil
}

// Get implements objectstore.Store.
func (s *Store) Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, objectstore.Info, error) {
	if length == 0 { // no Range says "nothing"
		return s.getNothing(ctx, key, offset)
	}
	body, info, err := s.get(ctx, key, offset, length)
	if err != nil {
		return nil, objectstore.Info{}, s.fail(ctx, "get", key, err)
	}
	return body, info, nil
}

func (s *Store) get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, objectstore.Info, error) {
	var none objectstore.Info
	if err := objectstore.CheckKey(key); err != nil {
		return nil, none, err
	}
	in := &awss3.GetObjectInput{Bucket: &s.bucket, Key: &key, Range: byteRange(offset, length)}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, none, err
	}
	part, size, err := extent(in, out, offset)
	if err != nil {
		out.Body.Close()
		return nil, none, err
	}
	info := objectstore.Info{Metadata: metadata(out.Metadata)}
	info.Object = objectstore.Object{Key: key, Size: size, LastModified: aws.ToTime(out.LastModified)}
	fail := func(err error) error { return s.fail(ctx, "get", key, err) }
	return &bodyReader{body: out.Body, left: part, fail: fail}, info, nil
}

func (s *Store) getNothing(ctx context.Context, key string, offset int64) (io.ReadCloser, objectstore.Info, error) {
	info, err := s.Head(ctx, key)
	if err != nil {
		return nil, info, err
	}
	if offset >= info.Size {
		return nil, objectstore.Info{}, s.fail(ctx, "get", key, objectstore.ErrRange)
	}
	return io.NopCloser(strings.NewReader("")), info, nil
}

func byteRange(offset, length int64) *string {
	switch {
	case offset == 0 && length < 0:
		return nil
	case length < 0:
		return aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	return aws.String(fmt.Sprintf("bytes=%d-%d", offset, offset+length-1))
}

// extent gives the sizes of the part that follows and of the whole object.
func extent(in *awss3.GetObjectInput, out *awss3.GetObjectOutput, offset int64) (part, size int64, err error) {
	if out.ContentLength == nil || *out.ContentLength < 0 {
		return 0, 0, errNoLength
	}
	part = *out.ContentLength
	if in.Range == nil {
		return part, part, nil
	}
	given := aws.ToString(out.ContentRange) // "bytes 2-4/10", RFC 9110 14.4
	span, total, _ := strings.Cut(strings.TrimPrefix(given, "bytes "), "/")
	first, _, _ := strings.Cut(span, "-")
	start, err1 := strconv.ParseInt(first, 10, 64)
	size, err2 := strconv.ParseInt(total, 10, 64)
	if err1 != nil || err2 != nil || start != offset {
		return 0, 0, fmt.Errorf("asked for %s, the server answers with range %q", *in.Range, given)
	}
	return part, size, nil
}

func metadata(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m // keys are lower case: the SDK sees to it
}

// bodyReader turns the end of a body that is too short into an error.
type bodyReader struct {
	body io.ReadCloser
	left int64
	fail func(error) error
}

func (r *bodyReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.left -= int64(n)
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF:
		return n, r.fail(fmt.Errorf("read body: %w", err))
	case r.left != 0:
		return n, r.fail(fmt.Errorf("read body: %w", io.ErrUnexpectedEOF))
	}
	return n, io.EOF
}

func (r *bodyReader) Close() error { return r.body.Close() }
