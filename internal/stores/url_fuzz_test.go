package stores

import (
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzFromURL: what is accepted says one thing. Written out again from what was read it reads the same, no key is taken from the text, and an
// error does not repeat what may be a password.
func FuzzFromURL(f *testing.F) {
	for _, s := range []string{"", "main", "s3://bkt", "s3://bkt/p/?endpoint=https://h:9000&region=r&pathStyle=true&insecure=false&caFile=./ca.pem", "s3://bkt/a%20b?region=%C3%BC",
		"dir:./b", "dir:///b", "dir:", "s3://key:secret@bkt", "s3://bkt?region=a&region=b", "s3://bkt#x", "s3:bkt", "s3://bkt?pathStyle=maybe", "S3://bkt//k?insecure=1", "s3://[::1]:9/k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		spec, prefix, err := FromURL(text)
		if err != nil {
			if u, e := url.Parse(text); e == nil && u.User != nil {
				if password, ok := u.User.Password(); ok && len(password) > 8 && strings.Contains(err.Error(), password) {
					t.Fatalf("the error repeats the password: %v", err)
				}
			}
			return
		}
		if (spec.S3 == nil) == (spec.Dir == nil) {
			t.Fatalf("%q is %+v: not exactly one sort of store", text, spec)
		}
		if spec.S3 != nil && (spec.S3.Credentials != nil || spec.S3.Bucket.Literal == "") {
			t.Fatalf("%q is %+v", text, spec.S3)
		}
		again, prefix2, err := FromURL(written(spec, prefix))
		if diff := cmp.Diff(spec, again); err != nil || prefix2 != prefix || diff != "" {
			t.Fatalf("%q written again as %q: prefix %q, %v, -want +got:\n%s", text, written(spec, prefix), prefix2, err, diff)
		}
	})
}

// written is a store as FromURL takes it.
func written(s Spec, prefix string) string {
	if s.Dir != nil {
		return "dir://" + s.Dir.Path
	}
	query := url.Values{}
	for key, value := range map[string]string{"endpoint": s.S3.Endpoint.Literal, "region": s.S3.Region.Literal, "caFile": s.S3.CAFile} {
		if value != "" {
			query.Set(key, value)
		}
	}
	for key, on := range map[string]bool{"pathStyle": s.S3.PathStyle, "insecure": s.S3.Insecure} {
		if on {
			query.Set(key, "true")
		}
	}
	u := url.URL{Scheme: "s3", Host: s.S3.Bucket.Literal, Path: "/" + prefix, RawQuery: query.Encode()}
	return u.String()
}
