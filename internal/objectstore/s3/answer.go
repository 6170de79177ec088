package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"plan/internal/objectstore"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

var (
	errNoLength  = errors.New("the server does not say how long the object is")
	errNotAnswer = errors.New("not an S3 answer")
)

// fail makes err the contract's error: what callers decide on by errors.Is,
// the server's code and status, and a text without the SDK's bookkeeping.
func (s *Store) fail(ctx context.Context, op, key string, err error) *objectstore.Error {
	var done *objectstore.Error
	if errors.As(err, &done) {
		return done
	}
	if cause := ctx.Err(); cause != nil {
		return &objectstore.Error{Op: op, Store: s.location, Key: key, Err: cause}
	}
	status := 0
	if r := (*smithyhttp.ResponseError)(nil); errors.As(err, &r) && r.Response != nil {
		status = r.HTTPStatusCode()
	}
	if api := smithy.APIError(nil); errors.As(err, &api) {
		return s.answered(op, key, status, api.ErrorCode(), api.ErrorMessage(), err)
	}
	e := s.answered(op, key, status, "", unwrapText(err), err)
	decode := (*smithy.DeserializationError)(nil)
	if op == "list" && (errors.As(err, &decode) || errors.Is(err, errNotAnswer)) && status/100 == 2 {
		e.Err = fmt.Errorf("%w: %w", objectstore.ErrIncomplete, e.Err)
	}
	return e
}

// answered is the error for a server's code and message. What kind, code and message have in common is said once: servers answer
// "AccessDenied: Access Denied.", and for a HEAD the SDK makes both up from the status.
func (s *Store) answered(op, key string, status int, code, message string, err error) *objectstore.Error {
	kind := kindOf(status, code)
	var chain []error
	var parts []string
	if kind != nil {
		chain, parts = append(chain, kind), append(parts, kind.Error())
	}
	if err != nil {
		chain = append(chain, err)
	}
	for _, part := range []string{clean(code), clean(message)} {
		if part != "" && !slices.ContainsFunc(parts, func(said string) bool { return letters(said) == letters(part) }) {
			parts = append(parts, part)
		}
	}
	text := strings.Join(parts, ": ")
	if status != 0 {
		text = strings.TrimSpace(fmt.Sprintf("%s (HTTP %d)", text, status))
	}
	if status == 301 || status == 307 {
		text += "; the server points elsewhere: check endpoint and region"
	}
	return &objectstore.Error{Op: op, Store: s.location, Key: key, Code: code, Status: status, Err: &cause{text, chain}}
}

// letters is text without everything else, in lower case.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsLetter(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, text)
}

// kindOf maps codes (S3 API reference, "Error responses") and statuses. A 404
// without one of S3's codes says nothing: versitygw answers so to an unknown
// access key, and any web server to a wrong endpoint. That of a HEAD, which
// has no body, is "NotFound" by the SDK.
func kindOf(status int, code string) error {
	switch code {
	case "NoSuchBucket":
		return objectstore.ErrNoBucket
	case "NoSuchKey", "NotFound":
		return objectstore.ErrNotFound
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AllAccessDisabled", "XAdminUserNotFound":
		return objectstore.ErrDenied
	case "BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch":
		return objectstore.ErrDamaged
	}
	switch {
	case status == 401 || status == 403:
		return objectstore.ErrDenied
	case status == 412:
		return objectstore.ErrExists
	case status == 416:
		return objectstore.ErrRange
	}
	return nil
}

// cause reads as text and keeps the chain for those who look for the contract's and for net errors.
type cause struct {
	text  string
	chain []error
}

func (c *cause) Error() string   { return c.text }
func (c *cause) Unwrap() []error { return c.chain }

// unwrapText skips the SDK's wrappers, which name ids that are empty.
func unwrapText(err error) string {
	if send := (*smithyhttp.RequestSendError)(nil); errors.As(err, &send) {
		return send.Err.Error()
	}
	if creds := (*credentialsError)(nil); errors.As(err, &creds) {
		return creds.Error()
	}
	if decode := (*smithy.DeserializationError)(nil); errors.As(err, &decode) {
		return "read answer: " + decode.Err.Error()
	}
	if r := (*smithyhttp.ResponseError)(nil); errors.As(err, &r) && r.Err != nil {
		return r.Err.Error()
	}
	return err.Error()
}

// clean makes a server's text one short printable line.
func clean(text string) string {
	const most = 400
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.TrimSpace(text))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// expectRoot refuses a 2xx answer that is not the named XML document: the SDK
// takes an empty body or a foreign document for an empty result. A root Error
// it turns into the error it is.
func expectRoot(name string) func(*awss3.Options) {
	check := middleware.DeserializeMiddlewareFunc("ExpectRoot",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleDeserialize(ctx, in)
			if r, ok := out.RawResponse.(*smithyhttp.Response); err == nil && ok && r.StatusCode/100 == 2 {
				err = checkRoot(r, name)
			}
			return out, meta, err
		})
	return func(o *awss3.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Deserialize.Add(check, middleware.After)
		})
	}
}

// checkRoot looks at the beginning of the body and puts it back. No page of
// 1000 keys of 1024 bytes is near the limit it sets.
func checkRoot(r *smithyhttp.Response, name string) error {
	const largest = 32 << 20
	var head bytes.Buffer
	limited := io.LimitReader(r.Body, largest)
	decoder := xml.NewDecoder(io.TeeReader(limited, &head))
	for {
		token, err := decoder.Token()
		if err != nil {
			return fmt.Errorf("%w: want <%s>, have %w", errNotAnswer, name, err)
		}
		root, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		if root.Name.Local != name && root.Name.Local != "Error" {
			return fmt.Errorf("%w: want <%s>, have <%s>", errNotAnswer, name, root.Name.Local)
		}
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(&head, limited), r.Body}
		return nil
	}
}
