package registry

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

func TestAnIndexIsPublishedUnderItsTag(t *testing.T) {
	s := newServer(t, true, guarded(false))
	o := Options{Username: "me", Password: secret, CAFile: s.caFile(t)}
	want := index(t, types.OCIImageIndex, "linux/amd64", "linux/arm64")
	digest, err := want.Digest()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	o.Log = func(line string) { lines = append(lines, line) }
	ref, err := Publish(t.Context(), s.host+"/team/app:1.2", want, o)
	if err != nil || ref != s.host+"/team/app@"+digest.String() {
		t.Fatalf("%q, %v", ref, err)
	}
	if len(lines) != 1 || lines[0] != "pushed "+s.host+"/team/app:1.2, "+digest.String() {
		t.Errorf("the log is %q", lines)
	}
	if got, err := Digest(t.Context(), s.host+"/team/app:1.2", o); err != nil || got != digest.String() {
		t.Errorf("the tag is %s, %v", got, err)
	}
	sent := s.count("PATCH", "/uploads/")
	if _, err := Publish(t.Context(), s.host+"/team/app:1.3", want, o); err != nil {
		t.Fatal(err)
	}
	if again := s.count("PATCH", "/uploads/"); sent == 0 || again != sent {
		t.Errorf("%d blobs were sent, and again %d", sent, again-sent)
	}
}

func TestWhatIsPublishedIsWhole(t *testing.T) {
	s := newServer(t, false, nil)
	ref, err := Publish(t.Context(), s.host+"/team/app:1.2", index(t, types.OCIImageIndex, "linux/amd64", "linux/arm64"), none())
	if err != nil {
		t.Fatal(err)
	}
	all, err := pulled(t, ref).ImageIndex()
	if err == nil {
		err = validate.Index(all)
	}
	if err != nil {
		t.Error(err)
	}
}

func TestAPublicationThatIsRefusedSaysWhatToDo(t *testing.T) {
	s := newServer(t, false, answer(http.MethodPost, "/uploads/", http.StatusForbidden, "DENIED", "not yours"))
	for ref, want := range map[string]string{
		s.host + "/team/app:1": "docker login " + s.host, "team/app:1": "docker.io/team/app:1", s.host + "/team/app": "no tag",
		s.host + "/team/app:1@sha256:" + strings.Repeat("0", 64): "digest", s.host + "/Team/app:1": "lower case",
	} {
		if _, err := Publish(t.Context(), ref, index(t, types.OCIImageIndex, "linux/amd64"), none()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error %v does not say %q", ref, err, want)
		}
		if err := CheckTag(ref); (err == nil) != (ref == s.host+"/team/app:1") {
			t.Errorf("%s: checked beforehand it is %v", ref, err)
		}
	}
}
