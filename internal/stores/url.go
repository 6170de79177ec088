package stores

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"plan/internal/secrets"
)

// FromURL reads a store from the command line: "s3://bucket/prefix?endpoint=…&region=…&pathStyle=true&caFile=…&insecure=true" or
// "dir:PATH". The prefix is what follows the bucket, without the first "/". Credentials come from the AWS SDK's chain; they are
// refused in the URL, because other users of the machine see arguments. Relative paths are for the caller to place.
func FromURL(text string) (s Spec, prefix string, err error) {
	if path, ok := strings.CutPrefix(text, "dir:"); ok {
		path = strings.TrimPrefix(path, "//") // dir:///path as well
		if path == "" {
			return Spec{}, "", errors.New("store dir: names no path; want dir:PATH")
		}
		return Spec{Dir: &Dir{Path: path}}, "", nil
	}
	u, err := url.Parse(text)
	switch { // the text itself may hold a password and is not repeated
	case err != nil || u.Scheme != "s3" || u.Opaque != "" || u.Fragment != "":
		return Spec{}, "", errors.New("store: want s3://bucket/prefix?endpoint=…&region=… or dir:PATH")
	case u.User != nil:
		return Spec{}, "", errors.New("store s3: no keys in the URL; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a store of a plan")
	case u.Host == "":
		return Spec{}, "", errors.New("store s3: names no bucket; want s3://bucket/prefix?endpoint=…")
	}
	target := &S3{Bucket: secrets.Value{Literal: u.Host}}
	if err := target.query(u.RawQuery); err != nil {
		return Spec{}, "", err
	}
	return Spec{S3: target}, strings.TrimPrefix(u.Path, "/"), nil
}

// query reads the settings behind the question mark. Values are never repeated in errors.
func (s *S3) query(raw string) error {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return errors.New("store s3: the part after ? is not key=value&…")
	}
	texts := map[string]*string{"endpoint": &s.Endpoint.Literal, "region": &s.Region.Literal, "caFile": &s.CAFile}
	switches := map[string]*bool{"pathStyle": &s.PathStyle, "insecure": &s.Insecure}
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch list := values[key]; {
		case len(list) != 1 || list[0] == "":
			problems = append(problems, fmt.Errorf("store s3: %q: want one value", key))
		case texts[key] != nil:
			*texts[key] = list[0]
		case switches[key] != nil:
			b, err := strconv.ParseBool(list[0])
			if err != nil {
				problems = append(problems, fmt.Errorf("store s3: %s: want true or false", key))
			}
			*switches[key] = b
		default:
			problems = append(problems, fmt.Errorf("store s3: unknown setting %q; want endpoint, region, pathStyle, caFile or insecure", key))
		}
	}
	return errors.Join(problems...)
}
