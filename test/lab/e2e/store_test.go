package e2e

import (
	"testing"
	"time"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"plan/internal/objectstore"
	"plan/internal/objectstore/s3"
	"plan/internal/objectstore/storetest"
	"plan/test/lab"
)

// TestS3ServerPassesTheConformanceSuite that the other stores pass.
func TestS3ServerPassesTheConformanceSuite(t *testing.T) {
	t.Parallel()
	r := theLab(t)
	storetest.Run(t, 1000, func(t *testing.T) objectstore.Store {
		store, err := s3.New(t.Context(), s3.Config{
			Bucket: r.S3.Bucket, Endpoint: r.S3.Endpoint, Region: r.S3.Region, PathStyle: true, CAFile: r.CAFile,
			AccessKey: r.S3.AccessKey, SecretKey: r.S3.SecretKey, MaxBackoff: 10 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		return store
	})
}

// TestEnvironmentNamesAnotherS3Server: what it names is used as it is.
func TestEnvironmentNamesAnotherS3Server(t *testing.T) {
	r := theLab(t)
	for name, value := range map[string]string{
		"ENDPOINT": r.S3.Endpoint, "BUCKET": r.S3.Bucket, "REGION": r.S3.Region, "ACCESS_KEY": r.S3.AccessKey, "SECRET_KEY": r.S3.SecretKey,
	} {
		t.Setenv("PLAN_TEST_S3_"+name, value)
	}
	c, err := lab.FromEnvironment().S3.Client(r.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.HeadBucket(t.Context(), &awss3.HeadBucketInput{Bucket: &r.S3.Bucket}); err != nil {
		t.Error(err)
	}
}
