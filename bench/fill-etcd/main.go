// Command fill-etcd makes an etcd snapshot of so many MiB, as a file, in a directory store and in the S3 bucket, with the metadata that k3s
// writes.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/objectstore"
	"plan/internal/objectstore/dir"
	"plan/internal/objectstore/s3"
)

func main() {
	uid := flag.String("uid", "", "UID of the cluster")
	folder := flag.String("dir", "", "where the file snapshot and the directory store go")
	size := flag.Int("mib", 200, "size of the snapshot")
	flag.Parse()
	if err := run(context.Background(), *uid, *folder, *size); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, uid, folder string, mib int) error {
	// Values of 10 KB, as a Kubernetes cluster has them, fill whole pages.
	const value, pages = 10_000, 3 * 4096
	data, err := snapshottest.Make(snapshottest.Options{Passwords: []string{"bench"}, Keys: mib << 20 / pages, Value: value})
	if err != nil {
		return err
	}
	fmt.Printf("%d bytes\n", len(data))
	if err := os.WriteFile(filepath.Join(folder, "snapshot"), data, 0o600); err != nil {
		return err
	}
	bucket, err := s3.New(ctx, s3.Config{
		Bucket: os.Getenv("LAB_S3_BUCKET"), Endpoint: os.Getenv("LAB_S3_ENDPOINT"), Region: os.Getenv("LAB_S3_REGION"), PathStyle: true,
		AccessKey: os.Getenv("LAB_S3_ACCESS_KEY"), SecretKey: os.Getenv("LAB_S3_SECRET_KEY"),
	})
	if err != nil {
		return err
	}
	local := filepath.Join(folder, "store")
	if err := os.MkdirAll(local, 0o700); err != nil {
		return err
	}
	directory, err := dir.New(dir.Config{Path: local})
	if err != nil {
		return err
	}
	key := fmt.Sprintf("k3s-etcd-snapshots/etcd-snapshot-atlas-%d", time.Now().Add(-time.Hour).Unix())
	o := objectstore.PutOptions{Metadata: map[string]string{"k3s-cluster-id": uid, "k3s-node-name": "atlas", "k3s-token-hash": snapshottest.Hash("bench")}, SHA256: sha256.Sum256(data)}
	for _, store := range []objectstore.Store{bucket, directory} {
		if err := store.Put(ctx, key, bytes.NewReader(data), int64(len(data)), o); err != nil {
			return err
		}
	}
	return nil
}
