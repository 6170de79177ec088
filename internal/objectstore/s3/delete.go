package s3

import (
	"context"
	"errors"
	"slices"

	"plan/internal/objectstore"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"golang.org/x/sync/errgroup"
)

// batch is what one DeleteObjects takes (S3 API reference).
const batch = 1000

// Delete implements objectstore.Store: DeleteObjects, or where the server has
// none (501 or 405), a DELETE per key, 16 at once.
func (s *Store) Delete(ctx context.Context, keys []string) error {
	for _, key := range keys {
		if err := objectstore.CheckKey(key); err != nil {
			return objectstore.JoinDelete(blame(keys, s.fail(ctx, "delete", key, err)))
		}
	}
	var kept []*objectstore.DeleteError
	left := keys
	for part := range slices.Chunk(keys, batch) {
		refused, err := s.deleteBatch(ctx, part)
		if e := (*objectstore.Error)(nil); errors.As(err, &e) {
			if e.Status == 501 || e.Status == 405 || e.Code == "NotImplemented" {
				return objectstore.JoinDelete(append(kept, s.deleteEach(ctx, left)...))
			}
			return objectstore.JoinDelete(append(kept, blame(left, e)...))
		}
		kept = append(kept, refused...)
		left = left[len(part):]
	}
	return objectstore.JoinDelete(kept)
}

// blame is one error for all keys.
func blame(keys []string, err error) []*objectstore.DeleteError {
	kept := make([]*objectstore.DeleteError, len(keys))
	for i, key := range keys {
		kept[i] = &objectstore.DeleteError{Key: key, Err: err}
	}
	return kept
}

// deleteBatch gives the keys that the server refused, or the error of the whole request.
func (s *Store) deleteBatch(ctx context.Context, keys []string) ([]*objectstore.DeleteError, error) {
	in := &awss3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Quiet: aws.Bool(true)}}
	for _, key := range keys {
		in.Delete.Objects = append(in.Delete.Objects, types.ObjectIdentifier{Key: &key})
	}
	out, err := s.client.DeleteObjects(ctx, in, expectRoot("DeleteResult"), func(o *awss3.Options) {
		// Older servers ask for Content-MD5 and do not know the SDK's CRC32.
		o.APIOptions = append(o.APIOptions, smithyhttp.AddContentChecksumMiddleware)
	})
	if err != nil {
		return nil, s.fail(ctx, "delete", "", err)
	}
	var refused []*objectstore.DeleteError
	for _, e := range out.Errors {
		code, key := aws.ToString(e.Code), aws.ToString(e.Key)
		if code != "NoSuchKey" {
			refused = append(refused, &objectstore.DeleteError{Key: key, Err: s.answered("delete", key, 0, code, aws.ToString(e.Message), nil)})
		}
	}
	return refused, nil
}

// deleteEach gives the keys that are, or may be, still there.
func (s *Store) deleteEach(ctx context.Context, keys []string) []*objectstore.DeleteError {
	results := make([]*objectstore.DeleteError, len(keys))
	var group errgroup.Group
	group.SetLimit(16)
	for i, key := range keys {
		group.Go(func() error {
			_, err := s.client.DeleteObject(ctx, &awss3.DeleteObjectInput{Bucket: &s.bucket, Key: &key})
			if err == nil {
				return nil
			}
			if e := s.fail(ctx, "delete", key, err); e.Code != "NoSuchKey" {
				results[i] = &objectstore.DeleteError{Key: key, Err: e}
			}
			return nil
		})
	}
	_ = group.Wait() // its goroutines report in results
	return slices.DeleteFunc(results, func(e *objectstore.DeleteError) bool { return e == nil })
}
