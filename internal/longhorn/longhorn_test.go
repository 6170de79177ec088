package longhorn_test

import (
	"strings"
	"testing"
	"time"

	"plan/internal/longhorn"
)

// take gives one object of a resource to a new state.
func take(t *testing.T, resource, text string) (*longhorn.State, error) {
	t.Helper()
	s := longhorn.New()
	for _, l := range s.Lists("longhorn-system") {
		if l.Resource.Resource == resource {
			return s, l.Take([]byte(text))
		}
	}
	t.Fatalf("there is no list of %s", resource)
	return nil, nil
}

// TestObjectsOfEveryVersionAreRead: fields may be missing, null, empty, or unknown.
func TestObjectsOfEveryVersionAreRead(t *testing.T) {
	for _, l := range longhorn.New().Lists("longhorn-system") {
		for _, text := range []string{
			`{"metadata":{"name":"x"}}`,
			`{"metadata":{"name":"x","labels":null,"annotations":null,"creationTimestamp":null,"deletionTimestamp":null},"spec":null,"status":null,"value":null}`,
			`{"metadata":{"name":"x","labels":{}},"spec":{},"status":{},"later":{"field":[1]}}`,
		} {
			if err := l.Take([]byte(text)); err != nil {
				t.Errorf("%s: %v", l, err)
			}
		}
	}
}

func TestObjectsThatCannotBeUnderstoodAreErrors(t *testing.T) {
	for name, tc := range map[string]struct{ resource, text, want string }{
		"not an object":            {"volumes", `[1]`, "it is none"},
		"no name":                  {"backups", `{"metadata":{}}`, "it has no name"},
		"not a map":                {"backuptargets", `{"metadata":{"name":"x"},"status":"well"}`, `object "x"`},
		"a word for true or false": {"volumes", `{"metadata":{"name":"x"},"spec":{"Standby":"true"}}`, `object "x"`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := take(t, tc.resource, tc.text); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
		})
	}
}

func TestHandleAndProvider(t *testing.T) {
	for name, tc := range map[string]struct {
		spec, annotation string
		handle           string
		its              bool
		provider         string
	}{
		"Longhorn":            {`{"csi":{"driver":"driver.longhorn.io","volumeHandle":"pvc-1"}}`, "", "pvc-1", true, "driver.longhorn.io"},
		"its old name":        {`{"csi":{"driver":"io.rancher.longhorn","volumeHandle":"pvc-1"}}`, "", "pvc-1", true, "io.rancher.longhorn"},
		"another driver":      {`{"csi":{"driver":"nfs.csi.k8s.io","volumeHandle":"pvc-1"},"storageClassName":"longhorn"}`, "driver.longhorn.io", "", false, "nfs.csi.k8s.io"},
		"NFS":                 {`{"nfs":{"server":"nas","path":"/x"}}`, "", "", false, "nfs"},
		"local":               {`{"local":{"path":"/x"}}`, "", "", false, "local"},
		"local-path":          {`{"hostPath":{"path":"/x"}}`, "rancher.io/local-path", "", false, "rancher.io/local-path"},
		"hostPath by hand":    {`{"hostPath":{"path":"/x"}}`, "", "", false, "hostPath"},
		"something else":      {`{"iscsi":{}}`, "", "", false, "another provider"},
		"csi is null":         {`{"csi":null}`, "", "", false, "another provider"},
		"Longhorn, no handle": {`{"csi":{"driver":"driver.longhorn.io"}}`, "", "", true, "driver.longhorn.io"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := take(t, "persistentvolumes", `{"metadata":{"name":"x","annotations":{"pv.kubernetes.io/provisioned-by":"`+tc.annotation+`"}},"spec":`+tc.spec+`}`)
			if err != nil {
				t.Fatal(err)
			}
			pv := s.PVs[0]
			if handle, its := pv.Handle(); handle != tc.handle || its != tc.its || pv.Provider() != tc.provider {
				t.Errorf("%q %v %q", handle, its, pv.Provider())
			}
		})
	}
}

func TestPatience(t *testing.T) {
	for interval, want := range map[string]time.Duration{
		"5m0s": time.Hour, "20m": time.Hour, "1h": 3 * time.Hour, "0": 0, "0s": 0, "": time.Hour, "soon": time.Hour, "-5m": time.Hour, "300": time.Hour,
	} {
		s, err := take(t, "backuptargets", `{"metadata":{"name":"x"},"spec":{"pollInterval":"`+interval+`"}}`)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Targets["x"].Patience(); got != want {
			t.Errorf("%q: %s, want %s", interval, got, want)
		}
	}
}

func TestWhileDetached(t *testing.T) {
	const name = "allow-recurring-job-while-volume-detached"
	for text, want := range map[string]bool{
		`{"metadata":{"name":"` + name + `"},"value":"true"}`:  true,
		`{"metadata":{"name":"` + name + `"},"value":"false"}`: false,
		`{"metadata":{"name":"` + name + `"},"value":""}`:      false,
		`{"metadata":{"name":"` + name + `"}}`:                 false,
		`{"metadata":{"name":"another"},"value":"true"}`:       false,
	} {
		s, err := take(t, "settings", text)
		if err != nil || s.WhileDetached() != want {
			t.Errorf("%s: %v, %v", text, !want, err)
		}
	}
}

func TestMessagesAreOneLine(t *testing.T) {
	b := longhorn.BackupVolume{}
	b.Messages = map[string]string{"info": "x", "error": "\n  no such bucket \nstack"}
	if got := b.Message(); got != "no such bucket" {
		t.Errorf("%q", got)
	}
}
