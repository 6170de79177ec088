package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// S3 is how to reach a bucket. LimitedAccessKey is of a second user, who may nothing until a bucket policy says so
// (a policy does not bind the first user, who owns the server).
type S3 struct {
	Endpoint         string `json:"endpoint"`
	Region           string `json:"region"`
	Bucket           string `json:"bucket"`
	AccessKey        string `json:"accessKey"`
	SecretKey        string `json:"secretKey"`
	LimitedAccessKey string `json:"limitedAccessKey"`
	LimitedSecretKey string `json:"limitedSecretKey"`
}

func (s *S3) complete() {
	for _, c := range []struct {
		field *string
		value func() string
	}{
		{&s.Region, func() string { return "us-east-1" }},
		{&s.Bucket, func() string { return "home-backups" }},
		{&s.AccessKey, func() string { return "lab" + randomHex(8) }},
		{&s.SecretKey, func() string { return randomHex(20) }},
		{&s.LimitedAccessKey, func() string { return "limited" + randomHex(6) }},
		{&s.LimitedSecretKey, func() string { return randomHex(20) }},
	} {
		if *c.field == "" {
			*c.field = c.value()
		}
	}
}

// Client is a client for s with path-style addresses that trusts the CA in caFile alone ("" trusts the system's).
func (s S3) Client(caFile string) (*s3.Client, error) {
	opts := s3.Options{
		BaseEndpoint: aws.String(s.Endpoint), Region: s.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	}
	if caFile != "" {
		h, err := httpClient(caFile)
		if err != nil {
			return nil, err
		}
		opts.HTTPClient = h
	}
	return s3.New(opts), nil
}

// MakeBucket makes another bucket on the lab's S3 server; one that is there already is kept.
func (l *Lab) MakeBucket(ctx context.Context, name string) error {
	s := l.S3
	s.Bucket = name
	return s.makeBucket(ctx, l.s3CA())
}

// S3Client is a client of the lab's S3 server.
func (l *Lab) S3Client() (*s3.Client, error) { return l.S3.Client(l.s3CA()) }

func (l *Lab) s3CA() string {
	if l.opts.Elsewhere.S3.Endpoint != "" {
		return ""
	}
	return l.CAFile
}

func (s S3) makeBucket(ctx context.Context, caFile string) error {
	c, err := s.Client(caFile)
	if err != nil {
		return err
	}
	if _, err := c.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &s.Bucket}); err == nil {
		return nil
	}
	_, err = c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &s.Bucket})
	var mine *types.BucketAlreadyOwnedByYou
	if err != nil && !errors.As(err, &mine) {
		return fmt.Errorf("make bucket %s at %s: %w", s.Bucket, s.Endpoint, err)
	}
	return nil
}

// LimitedS3 is the bucket as the limited user reaches it.
func (l *Lab) LimitedS3() S3 {
	s := l.S3
	s.AccessKey, s.SecretKey = s.LimitedAccessKey, s.LimitedSecretKey
	return s
}

// AllowLimited lets the limited user do these actions ("s3:GetObject") in the bucket and no others.
func (l *Lab) AllowLimited(ctx context.Context, actions ...string) error {
	c, err := l.S3Client()
	if err != nil {
		return err
	}
	if len(actions) == 0 {
		_, err := c.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &l.S3.Bucket})
		return wrap(err, "delete the bucket policy")
	}
	bucket := "arn:aws:s3:::" + l.S3.Bucket
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{map[string]any{
		"Effect": "Allow", "Principal": map[string]any{"AWS": []string{l.S3.LimitedAccessKey}},
		"Action": actions, "Resource": []string{bucket, bucket + "/*"},
	}}})
	if err != nil {
		return err
	}
	_, err = c.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &l.S3.Bucket, Policy: aws.String(string(policy))})
	return wrap(err, "set the bucket policy")
}

// accounts tells versitygw's account store of the limited user, in its own file format.
func (f folder) accounts(s settings) error {
	type account struct {
		Access string `json:"access"`
		Secret string `json:"secret"`
		Role   string `json:"role"`
	}
	file := f.path("s3", "iam", "users.json")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	a := account{Access: s.S3.LimitedAccessKey, Secret: s.S3.LimitedSecretKey, Role: "user"}
	if err := writeJSON(file, map[string]any{"accessAccounts": map[string]account{a.Access: a}}); err != nil {
		return fmt.Errorf("write the S3 accounts: %w", err)
	}
	return nil
}
