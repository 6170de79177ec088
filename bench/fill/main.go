// Command fill puts small backups of a cluster into the S3 bucket, one for each minute, or serves an in-memory bucket filled so.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"plan/internal/backup"
	"plan/internal/objectstore"
	"plan/internal/objectstore/s3"
	"plan/internal/objectstore/s3test"
	"plan/internal/spool"
)

// first is the time of the oldest backup.
var first = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

type filler struct {
	uid, prefix string
	n           int
}

func main() {
	var f filler
	flag.StringVar(&f.uid, "uid", "", "UID of the cluster")
	flag.StringVar(&f.prefix, "prefix", "", "prefix of the keys")
	flag.IntVar(&f.n, "n", 0, "number of backups")
	serve := flag.Bool("serve", false, "serve an in-memory bucket instead, until killed; its address is the first line of the output")
	flag.Parse()
	run := f.fill
	if *serve {
		run = f.serve
	}
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fill writes through the protocol.
func (f filler) fill(ctx context.Context) error {
	store, err := s3.New(ctx, s3.Config{
		Bucket: os.Getenv("LAB_S3_BUCKET"), Endpoint: os.Getenv("LAB_S3_ENDPOINT"), Region: os.Getenv("LAB_S3_REGION"), PathStyle: true,
		AccessKey: os.Getenv("LAB_S3_ACCESS_KEY"), SecretKey: os.Getenv("LAB_S3_SECRET_KEY"),
	})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	err = f.each(func(key string, body []byte, meta backup.Meta) error {
		group.Go(func() error {
			return store.Put(ctx, key, bytes.NewReader(body), int64(len(body)), objectstore.PutOptions{Metadata: meta.Map(), SHA256: meta.SHA256})
		})
		return ctx.Err()
	})
	if failed := group.Wait(); failed != nil {
		return failed
	}
	return err
}

// serve holds them in memory.
func (f filler) serve(context.Context) error {
	server := s3test.New("bench")
	err := f.each(func(key string, body []byte, meta backup.Meta) error {
		server.Store(key, s3test.Object{Body: body, Metadata: meta.Map(), LastModified: first})
		return nil
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return http.Serve(listener, server)
}

// each makes the backups. All share one body but the newest, which is decoded before anything is removed and must be sound.
func (f filler) each(put func(key string, body []byte, meta backup.Meta) error) error {
	body, meta, err := f.document(first)
	if err != nil {
		return err
	}
	for i := range f.n {
		started := first.Add(time.Duration(i) * time.Minute)
		if i == f.n-1 {
			if body, meta, err = f.document(started); err != nil {
				return err
			}
		}
		key, err := backup.NewKey(f.prefix, "bench", backup.PVs, started, fmt.Sprintf("%08x", i))
		if err != nil {
			return err
		}
		if err := put(key.String(), body, meta); err != nil {
			return err
		}
	}
	return nil
}

// document is a sound backup of nothing.
func (f filler) document(started time.Time) ([]byte, backup.Meta, error) {
	buffer := spool.New("")
	defer buffer.Close()
	w, err := backup.NewWriter(buffer, backup.Index{Artefact: backup.PVs, Cluster: backup.Cluster{Name: "bench", UID: f.uid}, Run: "bench", CreatedAt: started})
	if err != nil {
		return nil, backup.Meta{}, err
	}
	index, err := w.Close()
	if err != nil {
		return nil, backup.Meta{}, err
	}
	body, err := io.ReadAll(buffer.Reader())
	meta := backup.Content{Spool: buffer, Index: index}.Meta()
	if meta.SHA256 != sha256.Sum256(body) {
		return nil, meta, fmt.Errorf("the buffer's hash is not that of its bytes")
	}
	return body, meta, err
}
