package secrets

import (
	"strings"
	"testing"
)

// read is a resolver that has read variables.
func read(t *testing.T, vars map[string]string) *Resolver {
	t.Helper()
	r := NewResolver(Options{LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }})
	for name := range vars {
		r.Add("x", Source{Env: name})
	}
	if err := r.ReadLoadTime(); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWhatIsSealedOpensAgainAndShowsNothing(t *testing.T) {
	vars := map[string]string{"BUCKET": "backups", "LONG": "backups-of-home", "SHORT": "abc", "URL": "https://h/?k=s3cret"}
	for _, text := range []string{"", "plain", "pv-backups/home/x.gz", "a backups-of-home b", "abc", "https://h/?k=s3cret", "backupsbackups"} {
		sealed, ok := read(t, vars).Seal(text)
		if !ok {
			t.Errorf("%q cannot be kept", text)
		}
		for name, value := range vars {
			if name != "SHORT" && strings.Contains(sealed, value) {
				t.Errorf("%q has the value of %s", sealed, name)
			}
		}
		if opened, ok := read(t, vars).Unseal(sealed); !ok || opened != text {
			t.Errorf("%q opened as %q, %t", text, opened, ok)
		}
	}
}

func TestWhatCannotBeKeptIsNotSealed(t *testing.T) {
	r := read(t, map[string]string{"TOKEN": "s3cret-token"})
	for _, text := range []string{"czNjcmV0LXRva2Vu", "x {{plan.value 000000000000000000000000}} y"} { // base64 of the token; a forged note
		if sealed, ok := r.Seal(text); ok {
			t.Errorf("%q was sealed as %q", text, sealed)
		}
	}
	if opened, ok := r.Unseal("{{plan.value 000000000000000000000000}}"); ok {
		t.Errorf("a note of nothing opened as %q", opened)
	}
	// Another process that has another set of values cannot open it.
	sealed, _ := r.Seal("s3cret-token")
	if _, ok := read(t, map[string]string{"OTHER": "value"}).Unseal(sealed); ok {
		t.Error("it opened without the value")
	}
}
