package nodetoken

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"plan/internal/kube"
	"plan/internal/kube/kubetest"
)

const secretPath = "/api/v1/namespaces/backup/secrets/node-token"

func secretPlace(t *testing.T, s *kubetest.Server) Place {
	t.Helper()
	return mustOpen(t, To{Kubernetes: &Kubernetes{Namespace: "backup", Name: "node-token"}}, Options{Kube: s.Client(t)})
}

func TestASecretOfPlanSaysSo(t *testing.T) {
	s := kubetest.New(t)
	_, token := tokens(t)
	if _, err := keep(t.Context(), secretPlace(t, s), token, -1); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(s.Objects()[secretPath]), &got); err != nil {
		t.Fatal(err)
	}
	meta := got["metadata"].(map[string]any)
	delete(meta, "uid")
	delete(meta, "creationTimestamp")
	delete(meta, "resourceVersion")
	want := map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
		"metadata": map[string]any{"name": "node-token", "namespace": "backup", "labels": map[string]any{"app.kubernetes.io/managed-by": "plan"},
			"annotations": map[string]any{"plan/created-by": "backup-node-token"}},
		"data": map[string]any{"token": base64.StdEncoding.EncodeToString([]byte(token.Reveal()))},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestASecretOfSomebodyElseKeepsAllButTheKey: what the kind is for is one key; nothing else of a foreign object changes.
func TestASecretOfSomebodyElseKeepsAllButTheKey(t *testing.T) {
	s := kubetest.New(t)
	older, token := tokens(t)
	s.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", fmt.Sprintf(
		`{"metadata":{"name":"node-token","namespace":"backup","resourceVersion":"7","labels":{"a":"b"},"ownerReferences":[{"uid":"u"}]},"type":"x/y","data":{"theirs":"eA==","token":%q},"fieldOfTomorrow":[1.0]}`,
		base64.StdEncoding.EncodeToString([]byte(older.Reveal()+"\n"))))
	if _, err := keep(t.Context(), secretPlace(t, s), token, -1); err != nil {
		t.Fatal(err)
	}
	after := s.Objects()[secretPath]
	for _, part := range []string{`"a":"b"`, `"uid":"u"`, `"type":"x/y"`, `"theirs":"eA=="`, `"fieldOfTomorrow":[1`, `"token-` + older.Hash() + `"`} {
		if !strings.Contains(after, part) {
			t.Errorf("%s is gone", part)
		}
	}
	if strings.Contains(after, "managed-by") {
		t.Error("a foreign Secret is called plan's")
	}
}

func TestAnImmutableSecretIsRefusedBeforeItIsSent(t *testing.T) {
	s := kubetest.New(t)
	_, token := tokens(t)
	s.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", `{"metadata":{"name":"node-token","namespace":"backup"},"immutable":true,"data":{"a":"eA=="}}`)
	_, err := keep(t.Context(), secretPlace(t, s), token, -1)
	if err == nil || !strings.Contains(err.Error(), "immutable") {
		t.Errorf("%v", err)
	}
	for _, r := range s.Requests() {
		if r.Method != "GET" {
			t.Errorf("%s %s", r.Method, r.Path)
		}
	}
}

func TestLastChangeIsThatOfTheKey(t *testing.T) {
	s := kubetest.New(t)
	_, token := tokens(t)
	s.Add(kube.Resource{Version: "v1", Resource: "secrets"}, "Secret", fmt.Sprintf(`{"metadata":{"name":"node-token","namespace":"backup","managedFields":[
		{"manager":"plan","operation":"Update","time":"2026-01-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:token":{}}}},
		{"manager":"kubectl","operation":"Update","time":"2026-02-02T03:04:05Z","fieldsType":"FieldsV1","fieldsV1":{"f:data":{"f:other":{}},"f:metadata":{}}}]},
		"data":{"token":%q}}`, base64.StdEncoding.EncodeToString([]byte(token.Reveal()))))
	kept, err := secretPlace(t, s).Look(t.Context(), "")
	if want := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); err != nil || !kept.Updated.Equal(want) {
		t.Errorf("%s, %v", kept.Updated, err)
	}
}

// TestWhatIsReadBackMustBeWhatWasWritten: something between plan and the store, such as a webhook, may change it.
func TestWhatIsReadBackMustBeWhatWasWritten(t *testing.T) {
	s := kubetest.New(t)
	older, token := tokens(t)
	s.React = func(_, _ string, object map[string]any) error {
		object["data"].(map[string]any)["token"] = base64.StdEncoding.EncodeToString([]byte(older.Reveal()))
		return nil
	}
	if _, err := keep(t.Context(), secretPlace(t, s), token, -1); err == nil || !strings.Contains(err.Error(), "not what was written") {
		t.Errorf("%v", err)
	}
}
