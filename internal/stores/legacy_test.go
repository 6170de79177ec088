package stores

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"plan/internal/secrets"
)

func getenv(pairs map[string]string) func(string) string {
	return func(name string) string { return pairs[name] }
}

func idOf(i int) string {
	return strings.Repeat("0", 7) + string(rune('1'+i)) + "-1111-4111-8111-111111111111"
}

func all() map[string]string {
	pairs := map[string]string{}
	for i, name := range legacyIDs() {
		pairs[name] = strings.ToUpper(idOf(i))
	}
	return pairs
}

func TestLegacyStore(t *testing.T) {
	got, ok, err := Legacy(getenv(all()))
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	from := func(i int) *secrets.Source { return &secrets.Source{Bitwarden: secrets.Bitwarden{ID: idOf(i)}} }
	want := Spec{S3: &S3{PathStyle: true,
		Endpoint: secrets.Value{From: from(2)}, Region: secrets.Value{From: from(3)}, Bucket: secrets.Value{From: from(4)},
		Credentials: &Credentials{AccessKey: secrets.Value{From: from(0)}, SecretKey: secrets.Secret{From: from(1)}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestLegacyStoreUnsetPartialAndWrong(t *testing.T) {
	if _, ok, err := Legacy(getenv(nil)); ok || err != nil {
		t.Errorf("none set: %v %v", ok, err)
	}
	some := all()
	some[legacyRegion] = ""
	delete(some, legacyBucket)
	some[legacyEndpoint] = "https://s3.example.net"
	_, ok, err := Legacy(getenv(some))
	if !ok || err == nil {
		t.Fatal(ok, err)
	}
	for _, want := range []string{legacyRegion + ", " + legacyBucket + " not set", legacyEndpoint + ": not a UUID"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	for _, set := range []string{legacyAccessKey, legacySecretKey} {
		if strings.Contains(err.Error(), set) {
			t.Errorf("%s is set, but stands in %v", set, err)
		}
	}
}
