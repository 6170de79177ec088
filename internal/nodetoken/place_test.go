package nodetoken

import (
	"strings"
	"testing"
)

func TestOpenWantsOneCompletePlace(t *testing.T) {
	cases := map[string]struct {
		to   To
		says string
	}{
		"none":           {To{}, "0 places"},
		"two":            {To{File: &File{Path: "a"}, Bitwarden: &Bitwarden{Project: "p"}}, "2 places"},
		"no project":     {To{Bitwarden: &Bitwarden{Project: " "}}, "bitwarden.project"},
		"no name":        {To{Kubernetes: &Kubernetes{Namespace: "x"}}, "kubernetes.name"},
		"no namespace":   {To{Kubernetes: &Kubernetes{Name: "x"}}, "kubernetes.namespace"},
		"no cluster":     {To{Kubernetes: &Kubernetes{Namespace: "x", Name: "x"}}, "no connection"},
		"no path":        {To{File: &File{}}, "file.path"},
		"a file":         {To{File: &File{Path: "a"}}, ""},
		"default of key": {To{Bitwarden: &Bitwarden{Project: "p"}}, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tc.to.Open(Options{Hide: func(string) {}})
			if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v, want %q", err, tc.says)
			}
		})
	}
}
