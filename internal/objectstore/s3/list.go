package s3

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"plan/internal/objectstore"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
)

// List implements objectstore.Store, by ListObjectsV2.
func (s *Store) List(ctx context.Context, prefix string, o objectstore.ListOptions) iter.Seq2[objectstore.Object, error] {
	return func(yield func(objectstore.Object, error) bool) {
		l := listing{prefix: prefix, shallow: o.Shallow}
		for !l.done {
			objects, err := s.page(ctx, &l, o.PageSize)
			for _, object := range objects {
				if ctx.Err() != nil {
					err = ctx.Err()
					break
				}
				if !yield(object, nil) {
					return
				}
			}
			if err != nil {
				yield(objectstore.Object{}, s.fail(ctx, "list", prefix, err))
				return
			}
		}
	}
}

// page asks for the next page. With an error it may still give the page's
// objects up to the fault.
func (s *Store) page(ctx context.Context, l *listing, size int) ([]objectstore.Object, error) {
	in := &awss3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &l.prefix}
	if l.token != "" {
		in.ContinuationToken = &l.token
	}
	if size > 0 {
		in.MaxKeys = aws.Int32(int32(min(size, 1000)))
	}
	if l.shallow {
		in.Delimiter = aws.String("/")
	}
	out, err := s.client.ListObjectsV2(ctx, in, expectRoot("ListBucketResult"))
	if err != nil {
		return nil, err
	}
	objects, err := l.take(out)
	if err != nil {
		return objects, err
	}
	return objects, l.advance(out)
}

// listing is what one page must agree on with those before it. That keys grow
// strictly is what catches a server that answers in circles, in constant memory.
type listing struct {
	prefix  string
	shallow bool

	done       bool
	token      string
	last       string // key
	lastFolder string // common prefix
	idle       int    // pages in a row that held nothing
}

func (l *listing) take(out *awss3.ListObjectsV2Output) ([]objectstore.Object, error) {
	objects := make([]objectstore.Object, 0, len(out.Contents))
	for _, c := range out.Contents {
		key := aws.ToString(c.Key)
		switch {
		case !strings.HasPrefix(key, l.prefix):
			return objects, incomplete("the server lists %q, which does not start with %q", key, l.prefix)
		case key <= l.last:
			return objects, incomplete("the server lists %q after %q", key, l.last)
		case c.Size == nil || *c.Size < 0:
			return objects, incomplete("the server lists %q without a size", key)
		}
		l.last = key
		if l.shallow && strings.Contains(key[len(l.prefix):], "/") {
			continue // a server that does not know delimiters
		}
		objects = append(objects, objectstore.Object{Key: key, Size: *c.Size, LastModified: aws.ToTime(c.LastModified)})
	}
	for _, p := range out.CommonPrefixes {
		folder := aws.ToString(p.Prefix)
		if folder <= l.lastFolder {
			return objects, incomplete("the server lists folder %q after %q", folder, l.lastFolder)
		}
		l.lastFolder = folder
	}
	return objects, nil
}

// advance finds the way to the next page, or that there is none.
func (l *listing) advance(out *awss3.ListObjectsV2Output) error {
	const patience = 100 // empty pages are allowed, endless ones are not
	if out.IsTruncated == nil {
		return incomplete("the server does not say whether more follows")
	}
	if !*out.IsTruncated {
		l.done = true
		return nil
	}
	next := aws.ToString(out.NextContinuationToken)
	if len(out.Contents)+len(out.CommonPrefixes) > 0 {
		l.idle = 0
	} else {
		l.idle++
	}
	switch {
	case next == "":
		return incomplete("the server says that more follows, without a continuation token")
	case next == l.token:
		return incomplete("the server repeats its continuation token")
	case l.idle > patience:
		return incomplete("%d empty pages in a row", l.idle)
	}
	l.token = next
	return nil
}

func incomplete(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{objectstore.ErrIncomplete}, args...)...)
}
