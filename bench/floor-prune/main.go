// Command floor-prune removes all objects below a prefix but the last ones by name, as directly as the S3 SDK can: list, a HEAD
// for each key while the listing goes on, 32 at once, and DeleteObjects.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

const (
	parallel = 32
	batch    = 1000
)

func main() {
	keep, err := strconv.Atoi(os.Args[3])
	if err == nil {
		err = prune(context.Background(), connect(), os.Args[1], os.Args[2], keep)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func connect() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(os.Getenv("LAB_S3_ENDPOINT")), Region: os.Getenv("LAB_S3_REGION"), UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(os.Getenv("LAB_S3_ACCESS_KEY"), os.Getenv("LAB_S3_SECRET_KEY"), ""),
		HTTPClient: &http.Client{Transport: &http.Transport{
			MaxIdleConns: 2 * parallel, MaxIdleConnsPerHost: 2 * parallel, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		}},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

func prune(ctx context.Context, client *s3.Client, bucket, prefix string, keep int) error {
	keys, err := find(ctx, client, bucket, prefix)
	if err != nil {
		return err
	}
	slices.Sort(keys)
	keys = keys[:max(0, len(keys)-keep)]
	for part := range slices.Chunk(keys, batch) {
		ids := make([]types.ObjectIdentifier, len(part))
		for i := range part {
			ids[i].Key = &part[i]
		}
		out, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
		if err != nil {
			return fmt.Errorf("delete: %w", err)
		}
		if len(out.Errors) > 0 {
			return fmt.Errorf("delete: %d keys refused", len(out.Errors))
		}
	}
	fmt.Println(len(keys), "deleted")
	return nil
}

func find(ctx context.Context, client *s3.Client, bucket, prefix string) ([]string, error) {
	var mu sync.Mutex
	var keys []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		for _, object := range page.Contents {
			group.Go(func() error {
				out, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: object.Key})
				if err != nil {
					return fmt.Errorf("head: %w", err)
				}
				if out.Metadata["plan-cluster-uid"] == "" {
					return nil
				}
				mu.Lock()
				defer mu.Unlock()
				keys = append(keys, *object.Key)
				return nil
			})
		}
	}
	return keys, group.Wait()
}
