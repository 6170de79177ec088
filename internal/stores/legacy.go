package stores

import (
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"plan/internal/secrets"
)

// The older tool's variables: each holds the id of the Bitwarden secret that holds a setting of the bucket.
const (
	legacyAccessKey = "BWS_SECRET_ID_ACCESS_KEY"
	legacySecretKey = "BWS_SECRET_ID_SECRET_KEY"
	legacyEndpoint  = "BWS_SECRET_ID_ENDPOINT"
	legacyRegion    = "BWS_SECRET_ID_REGION"
	legacyBucket    = "BWS_SECRET_ID_BUCKET"
)

func legacyIDs() []string {
	return []string{legacyAccessKey, legacySecretKey, legacyEndpoint, legacyRegion, legacyBucket}
}

// Legacy makes a store of the older tool's five BWS_SECRET_ID_ variables. False means that none is set. A partial set is an error that
// lists what is missing, and an id that is no UUID one that names its variable. An empty variable is not set.
//
// Buckets are addressed by path, as the library of that tool does with an endpoint of one's own.
func Legacy(getenv func(string) string) (Spec, bool, error) {
	var missing []string
	var problems []error
	found := map[string]*secrets.Source{}
	for _, name := range legacyIDs() {
		text := strings.TrimSpace(getenv(name))
		if text == "" {
			missing = append(missing, name)
			continue
		}
		id, err := uuid.Parse(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: not a UUID; want the id of a Bitwarden secret", name))
		}
		found[name] = &secrets.Source{Bitwarden: secrets.Bitwarden{ID: id.String()}}
	}
	switch {
	case len(found) == 0:
		return Spec{}, false, nil
	case len(missing) > 0:
		problems = append(problems, fmt.Errorf("store from BWS_SECRET_ID_…: %s not set; set all five or none", strings.Join(missing, ", ")))
	}
	if len(problems) > 0 {
		return Spec{}, true, errors.Join(problems...)
	}
	return Spec{S3: &S3{
		Bucket:    secrets.Value{From: found[legacyBucket]},
		Endpoint:  secrets.Value{From: found[legacyEndpoint]},
		Region:    secrets.Value{From: found[legacyRegion]},
		PathStyle: true,
		Credentials: &Credentials{
			AccessKey: secrets.Value{From: found[legacyAccessKey]},
			SecretKey: secrets.Secret{From: found[legacySecretKey]},
		},
	}}, true, nil
}
