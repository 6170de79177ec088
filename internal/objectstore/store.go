// Package objectstore is where backups are kept: S3-compatible servers and
// local directories, behind one contract. Package s3 and package dir
// implement it, package storetest checks both against it.
package objectstore

import (
	"context"
	"io"
	"iter"
	"time"
)

// Object is one entry of a listing.
type Object struct {
	Key          string
	Size         int64 // bytes
	LastModified time.Time
}

// Info is what Head and Get know of an object. Its Size is that of the whole
// object, also where Get was asked for a part.
type Info struct {
	Object
	Metadata map[string]string // user metadata; keys lower case; never nil
}

// ListOptions narrows a listing.
type ListOptions struct {
	PageSize int  // keys per request; 0 means the server's usual 1000
	Shallow  bool // only keys with no further "/" after the prefix
}

// PutOptions say how an object is written.
type PutOptions struct {
	ContentType string
	Metadata    map[string]string // see CheckMetadata
	SHA256      [32]byte          // of the body, so that damage on the way is refused; all zero means not known
	IfAbsent    bool              // ErrExists when the key exists; nothing is overwritten
}

// Store keeps objects under keys. Its methods may be called by many
// goroutines at once. Every error is an *Error whose chain holds one of this
// package's Err values where one fits; when ctx ended, ctx's own error is in
// the chain. Keys are those that CheckKey accepts; an implementation may
// accept fewer and says so.
type Store interface {
	// List yields every object whose key starts with prefix, in the order
	// of the keys' bytes, each once. A complete listing ends without an
	// error. Anything else ends with exactly one pair that has an error:
	// ErrIncomplete when the server's answers do not make up a whole
	// listing, else what went wrong; what was yielded before is then only
	// a part. Objects written or deleted meanwhile may or may not appear.
	// Memory does not grow with the listing. Requests stop when the
	// consumer stops. Ranging again lists again.
	List(ctx context.Context, prefix string, o ListOptions) iter.Seq2[Object, error]

	// Head tells what is known of key, or ErrNotFound. Size and metadata
	// are those of the last Put that finished.
	Head(ctx context.Context, key string) (Info, error)

	// Get opens length bytes of key from offset on, fewer when the object
	// ends before; length < 0 means to the end. An offset at or past the
	// end of the object is ErrRange, except that a whole object (offset 0,
	// length < 0) may be empty. The caller closes the reader. A body that
	// breaks off ends in an error, never in io.EOF; ctx holds until Close.
	Get(ctx context.Context, key string, offset, length int64) (io.ReadCloser, Info, error)

	// Put stores body, size bytes from its beginning, under key. Readers
	// see the whole object with its metadata or nothing of it. After nil
	// the object is durable. ErrDamaged means that the body does not have
	// o.SHA256 or size, and that nothing was stored. With o.IfAbsent an
	// existing object is left as it is and ErrExists returned. After any
	// other error the object may be there, also when ctx ended: calling
	// again with IfAbsent is safe and finds it as ErrExists, possibly an
	// earlier attempt of the very same call, which the caller tells by
	// reading it. Put reads body more than once and does not close it.
	Put(ctx context.Context, key string, body io.ReadSeeker, size int64, o PutOptions) error

	// Delete removes the keys; one that is not there is no error, so it may
	// be called again. The error holds one *DeleteError per key that is
	// still there or may be (see Undeleted). A key that the store refuses
	// to delete does not hold up the others; after an error of a whole
	// request (access denied, no connection, ctx ended) no further key is
	// tried, and where one of keys is ErrInvalid none is.
	Delete(ctx context.Context, keys []string) error
}
