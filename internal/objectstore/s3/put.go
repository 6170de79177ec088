package s3

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"slices"

	"plan/internal/objectstore"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
)

// Put implements objectstore.Store. What a server may refuse is left out one
// by one: first the stored checksum, which only repeats what the signature
// covers, then If-None-Match, after a HEAD that says the key is absent.
func (s *Store) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, o objectstore.PutOptions) error {
	err := errors.Join(objectstore.CheckKey(key), objectstore.CheckMetadata(o.Metadata))
	if err == nil {
		err = objectstore.CheckSize(body, size)
	}
	if err != nil {
		return s.fail(ctx, "put", key, err)
	}
	in := s.putInput(key, body, size, o)
	for {
		_, err := s.client.PutObject(ctx, in, signWith(o.SHA256))
		if err == nil {
			return nil
		}
		e := s.fail(ctx, "put", key, err)
		if !refusesHeader(e) || !s.leaveOut(ctx, in) {
			return e
		}
		if o.IfAbsent && in.IfNoneMatch == nil {
			if _, err := s.Head(ctx, key); err == nil {
				return &objectstore.Error{Op: "put", Store: s.location, Key: key, Err: objectstore.ErrExists}
			} else if !errors.Is(err, objectstore.ErrNotFound) {
				return err
			}
		}
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return s.fail(ctx, "put", key, err)
		}
	}
}

func (s *Store) putInput(key string, body io.ReadSeeker, size int64, o objectstore.PutOptions) *awss3.PutObjectInput {
	in := &awss3.PutObjectInput{
		Bucket:        &s.bucket,
		Key:           &key,
		Body:          struct{ io.ReadSeeker }{body}, // hides Close: the caller closes
		ContentLength: &size,
		Metadata:      o.Metadata,
	}
	if o.ContentType != "" {
		in.ContentType = &o.ContentType
	}
	if o.SHA256 != ([32]byte{}) {
		in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(o.SHA256[:]))
	}
	if o.IfAbsent {
		in.IfNoneMatch = aws.String("*")
	}
	return in
}

// leaveOut takes the next optional header out of in; false when none is left.
func (s *Store) leaveOut(ctx context.Context, in *awss3.PutObjectInput) bool {
	switch {
	case ctx.Err() != nil:
		return false
	case in.ChecksumSHA256 != nil:
		in.ChecksumSHA256 = nil
	case in.IfNoneMatch != nil:
		in.IfNoneMatch = nil
	default:
		return false
	}
	return true
}

// refusesHeader tells a server that does not know a header from one that
// refuses the request itself.
func refusesHeader(e *objectstore.Error) bool {
	if e.Status == 501 || e.Code == "NotImplemented" {
		return true
	}
	codes := []string{"", "BadRequest", "InvalidArgument", "InvalidRequest", "UnsupportedArgument", "UnsupportedHeader"}
	return e.Status == 400 && slices.Contains(codes, e.Code)
}

// signWith makes the body's hash part of the signature (x-amz-content-sha256),
// which every SigV4 server verifies; over TLS the SDK would leave it out.
func signWith(sum [32]byte) func(*awss3.Options) {
	return func(o *awss3.Options) {
		if sum == ([32]byte{}) {
			return
		}
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("SignBodyHash",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					return next.HandleInitialize(v4.SetPayloadHash(ctx, hex.EncodeToString(sum[:])), in)
				}), middleware.Before)
		})
	}
}
