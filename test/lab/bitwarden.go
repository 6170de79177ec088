package lab

import (
	"plan/internal/bitwarden/bwtest"
)

// Bitwarden is how to reach the lab's Bitwarden-protocol server and what is in it.
type Bitwarden struct {
	URL     string // base of /api and /identity
	Token   string // access token of a machine account that may read and write every project
	Project string // id of project "homelab", which holds the secrets below

	// Ids of the secrets that say how to reach the lab's bucket. They are the same in every lab.
	AccessKeyID, SecretKeyID, EndpointID, RegionID, BucketID string
}

// ProjectName is the name of the project that holds the secrets.
const ProjectName = "homelab"

// fillBitwarden makes a server with what the lab keeps in it. The same seed gives the same ids and tokens.
func fillBitwarden(seed, url string, s S3) (*bwtest.Server, Bitwarden) {
	srv := bwtest.NewSeeded(seed)
	b := Bitwarden{URL: url, Token: srv.AddMachineAccount("lab"), Project: srv.AddProject(ProjectName)}
	add := func(id, key, value string) string { return srv.AddSecretWithID(id, b.Project, key, value) }
	b.AccessKeyID = add("11111111-1111-4111-8111-111111111111", "s3-access-key", s.AccessKey)
	b.SecretKeyID = add("22222222-2222-4222-8222-222222222222", "s3-secret-key", s.SecretKey)
	b.EndpointID = add("33333333-3333-4333-8333-333333333333", "s3-endpoint", s.Endpoint)
	b.RegionID = add("44444444-4444-4444-8444-444444444444", "s3-region", s.Region)
	b.BucketID = add("55555555-5555-4555-8555-555555555555", "s3-bucket", s.Bucket)
	return srv, b
}
