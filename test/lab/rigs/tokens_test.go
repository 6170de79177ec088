package rigs

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// newToken is a server's token, and the first 12 hex digits of its password's SHA-256, by which k3s knows it.
func newToken() (token, hash string) {
	password := rand.Text()
	return fmt.Sprintf("K10%064x::server:%s", sha256.Sum256([]byte("ca")), password), fmt.Sprintf("%x", sha256.Sum256([]byte(password)))[:12]
}

// tokens keeps a server's token in the cluster and in Bitwarden. Of every second run another token was kept before.
func tokens() *reference {
	return &reference{
		name:    "tokens",
		prepare: (*trial).prepareTokens,
		steps: func(t *trial) string {
			text := ""
			for name, place := range map[string]string{
				"cluster": fmt.Sprintf("{kubernetes: {namespace: default, name: %s}}", t.id),
				"vault":   fmt.Sprintf("{bitwarden: {project: %s, key: node}}", t.project),
			} {
				text += fmt.Sprintf("    - {id: %[1]s, uses: backup-node-token, needs: [], with: {path: token, to: %[2]s}}\n    - {id: %[1]s-kept, uses: verify-node-token, needs: [%[1]s], with: {path: token, in: %[2]s}}\n", name, place)
			}
			return text
		},
		state: (*trial).tokenState,
		always: func(t *trial, _, after map[string]string) error {
			return t.kept(after, false)
		},
		done: func(t *trial, after map[string]string) error {
			return errors.Join(t.kept(after, true), passes("cluster-kept", "vault-kept")(t, after))
		},
	}
}

func (t *trial) prepareTokens() error {
	var hash string
	t.first, hash = newToken()
	t.second, _ = newToken()
	t.first += " " + hash
	t.fresh = t.n/len(references())%2 == 1
	t.project = t.BitwardenServer.AddProject(t.id)
	if _, err := t.write("token", t.second+"\n"); err != nil || t.fresh {
		return err
	}
	token, _, _ := strings.Cut(t.first, " ")
	t.BitwardenServer.AddSecret(t.project, "node", token)
	_, err := t.kube.CoreV1().Secrets("default").Create(t.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: t.id}, Data: map[string][]byte{"token": []byte(token)}}, metav1.CreateOptions{})
	return err
}

// tokenState are the values in both places, by "cluster KEY" and "vault KEY".
func (t *trial) tokenState() (map[string]string, error) {
	state := map[string]string{}
	s, err := t.kube.CoreV1().Secrets("default").Get(t.ctx, t.id, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, err
	}
	if err == nil {
		for key, value := range s.Data {
			state["cluster "+key] = string(value)
		}
	}
	list, err := t.vault.List(t.ctx, t.project)
	if err != nil {
		return nil, err
	}
	for _, entry := range list {
		secret, err := t.vault.Secret(t.ctx, entry.ID)
		if err != nil {
			return nil, err
		}
		for state["vault "+secret.Key] != "" {
			secret.Key += " again"
		}
		state["vault "+secret.Key] = secret.Value
	}
	return state, nil
}

// kept wants no token of before lost and no secret twice; with all, the new one kept, too, and nothing else.
func (t *trial) kept(after map[string]string, all bool) error {
	first, hash, _ := strings.Cut(t.first, " ")
	for place, key := range map[string]string{"cluster": "token", "vault": "node"} {
		if after[place+" "+key+" again"] != "" || after[place+" "+key+"-"+hash+" again"] != "" {
			return fmt.Errorf("%s: a secret is there twice", place)
		}
		current, earlier := after[place+" "+key], after[place+" "+key+"-"+hash]
		if !t.fresh && current != first && earlier != first {
			return fmt.Errorf("%s: the earlier token is lost", place)
		}
		if all && (current != t.second || !t.fresh && earlier != first || t.fresh && earlier != "") {
			return fmt.Errorf("%s: the current token is right: %t; the earlier one: %q", place, current == t.second, earlier)
		}
	}
	want := 4
	if t.fresh {
		want = 2
	}
	if len(after) > want || all && len(after) != want {
		return fmt.Errorf("%d values are kept, want %d", len(after), want)
	}
	return nil
}
