//go:build bitwardensdk

package sdk

import (
	"encoding/json"
	"fmt"

	official "github.com/bitwarden/sdk-go"
)

// Official makes a client of the SDK. Nil URLs are Bitwarden's US cloud.
func Official(apiURL, identityURL *string) (SDK, error) {
	client, err := official.NewBitwardenClient(apiURL, identityURL)
	if err != nil {
		return nil, fmt.Errorf("start Bitwarden's SDK: %w", err)
	}
	return wrapped{client}, nil
}

type wrapped struct {
	official.BitwardenClientInterface
}

// Secrets hides the method of the embedded client.
func (w wrapped) Secrets() Secrets { return wrappedSecrets{w.BitwardenClientInterface.Secrets()} }

type wrappedSecrets struct{ of official.SecretsInterface }

func (w wrappedSecrets) Create(key, value, note, organizationID string, projectIDs []string) (*Secret, error) {
	return as[Secret](w.of.Create(key, value, note, organizationID, projectIDs))
}

func (w wrappedSecrets) Get(secretID string) (*Secret, error) {
	return as[Secret](w.of.Get(secretID))
}

func (w wrappedSecrets) Update(secretID, key, value, note, organizationID string, projectIDs []string) (*Secret, error) {
	return as[Secret](w.of.Update(secretID, key, value, note, organizationID, projectIDs))
}

func (w wrappedSecrets) List(organizationID string) ([]Identifier, error) {
	return data[Identifier](w.of.List(organizationID))
}

func (w wrappedSecrets) GetByIDS(secretIDs []string) ([]Secret, error) {
	return data[Secret](w.of.GetByIDS(secretIDs))
}

// as reads an answer of the SDK by its JSON, whose names the protocol fixes; the types of its fields differ between versions.
func as[T any](answer any, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("read the SDK's answer: %w", err)
	}
	out := new(T)
	if err := json.Unmarshal(text, out); err != nil {
		return nil, fmt.Errorf("read the SDK's answer: %w", err)
	}
	return out, nil
}

func data[T any](answer any, err error) ([]T, error) {
	list, err := as[struct {
		Data []T `json:"data"`
	}](answer, err)
	if err != nil {
		return nil, err
	}
	return list.Data, nil
}
