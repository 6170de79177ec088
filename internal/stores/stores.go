// Package stores opens the places named in a plan's stores section: S3-compatible buckets and local directories. It also reads
// them from a URL on the command line and from the environment variables of the older tool.
package stores

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"plan/internal/objectstore"
	"plan/internal/objectstore/dir"
	"plan/internal/objectstore/s3"
	"plan/internal/secrets"
)

// Spec is one entry of spec.stores. Exactly one field is set.
type Spec struct {
	S3  *S3  `yaml:"s3,omitempty"`
	Dir *Dir `yaml:"dir,omitempty"`
}

// S3 is a bucket on an S3-compatible server.
type S3 struct {
	Bucket      secrets.Value `yaml:"bucket"`
	Endpoint    secrets.Value `yaml:"endpoint"` // without scheme: https; left out: AWS in Region
	Region      secrets.Value `yaml:"region"`
	PathStyle   bool          `yaml:"pathStyle"`
	CAFile      string        `yaml:"caFile"` // relative to the plan file
	Insecure    bool          `yaml:"insecure"`
	Credentials *Credentials  `yaml:"credentials"` // nil: the AWS SDK's chain, without instance metadata
}

// Credentials are static keys.
type Credentials struct {
	AccessKey    secrets.Value  `yaml:"accessKey"`
	SecretKey    secrets.Secret `yaml:"secretKey"`
	SessionToken secrets.Secret `yaml:"sessionToken"`
}

// Dir is a local directory.
type Dir struct {
	Path string `yaml:"path"` // relative to the plan file
}

// Field is a field of a Spec that may come from outside.
type Field struct {
	Path  string // below the store: "s3.credentials.secretKey"
	Value secrets.Value
}

// Fields are all fields of s that may come from outside and were not left out, in the order of the documentation.
func (s Spec) Fields() []Field {
	if s.S3 == nil {
		return nil
	}
	all := []Field{{"s3.bucket", s.S3.Bucket}, {"s3.endpoint", s.S3.Endpoint}, {"s3.region", s.S3.Region}}
	if c := s.S3.Credentials; c != nil {
		all = append(all, Field{"s3.credentials.accessKey", c.AccessKey},
			Field{"s3.credentials.secretKey", c.SecretKey.Value()}, Field{"s3.credentials.sessionToken", c.SessionToken.Value()})
	}
	var given []Field
	for _, f := range all {
		if !f.Value.IsZero() {
			given = append(given, f)
		}
	}
	return given
}

// Map is s as it stands in a plan, for a Spec of literals.
func (s Spec) Map() map[string]any {
	if s.Dir != nil {
		return map[string]any{"dir": map[string]any{"path": s.Dir.Path}}
	}
	fields := map[string]any{"bucket": s.S3.Bucket.Literal, "pathStyle": s.S3.PathStyle, "insecure": s.S3.Insecure}
	for name, value := range map[string]string{"endpoint": s.S3.Endpoint.Literal, "region": s.S3.Region.Literal, "caFile": s.S3.CAFile} {
		if value != "" {
			fields[name] = value
		}
	}
	return map[string]any{"s3": fields}
}

// Validate lists what is missing or contradictory, all at once; paths are below the store.
func (s Spec) Validate() error {
	switch {
	case s.S3 != nil && s.Dir != nil:
		return errors.New("want s3 or dir, not both")
	case s.Dir != nil && s.Dir.Path == "":
		return errors.New("dir.path is missing")
	case s.Dir != nil:
		return nil
	case s.S3 == nil:
		return errors.New("want s3 or dir")
	}
	var problems []error
	if s.S3.Bucket.IsZero() {
		problems = append(problems, errors.New("s3.bucket is missing"))
	}
	if c := s.S3.Credentials; c != nil {
		if c.AccessKey.IsZero() {
			problems = append(problems, errors.New("s3.credentials.accessKey is missing"))
		}
		if c.SecretKey.IsZero() {
			problems = append(problems, errors.New("s3.credentials.secretKey is missing"))
		}
	}
	return errors.Join(problems...)
}

// Describe says in one line where the store is, before anything is read: "s3://bucket at https://endpoint", "dir /path". What comes
// from outside is named by its source.
func Describe(s Spec, baseDir string) string {
	switch {
	case s.Dir != nil:
		return "dir " + within(baseDir, s.Dir.Path)
	case s.S3 == nil:
		return "no store"
	}
	where := "AWS"
	switch {
	case !s.S3.Endpoint.IsZero():
		where = place(s.S3.Endpoint, withScheme)
	case !s.S3.Region.IsZero():
		where = "AWS " + place(s.S3.Region, keep)
	}
	return "s3://" + place(s.S3.Bucket, keep) + " at " + where
}

func place(v secrets.Value, literal func(string) string) string {
	if v.From != nil {
		return "(" + v.From.String() + ")"
	}
	return literal(v.Literal)
}

func keep(s string) string { return s }

func withScheme(endpoint string) string {
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	return strings.TrimRight(endpoint, "/")
}

// Open makes the store of a valid Spec; it reads caFile and connects to nothing. Values come from resolve; baseDir is the folder of
// the plan file. Errors name the field below the store.
func Open(ctx context.Context, s Spec, resolve func(secrets.Value) (string, error), baseDir string) (objectstore.Store, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Dir != nil {
		return dir.New(dir.Config{Path: within(baseDir, s.Dir.Path)})
	}
	c, err := s.S3.config(s.Fields(), resolve)
	if err != nil {
		return nil, err
	}
	c.CAFile = within(baseDir, s.S3.CAFile)
	return s3.New(ctx, c)
}

func (s *S3) config(fields []Field, resolve func(secrets.Value) (string, error)) (s3.Config, error) {
	c := s3.Config{PathStyle: s.PathStyle, Insecure: s.Insecure}
	targets := map[string]*string{
		"s3.bucket": &c.Bucket, "s3.endpoint": &c.Endpoint, "s3.region": &c.Region,
		"s3.credentials.accessKey": &c.AccessKey, "s3.credentials.secretKey": &c.SecretKey, "s3.credentials.sessionToken": &c.SessionToken,
	}
	var problems []error
	for _, f := range fields {
		value, err := resolve(f.Value)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", f.Path, err))
		}
		*targets[f.Path] = value
	}
	return c, errors.Join(problems...)
}

// within is where a plan in folder base means path to be; an empty path stays empty.
func within(base, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(base, path)
}
