// Package sdk has the exported names of Bitwarden's Go SDK that official.go uses, and does nothing. A test compiles official.go against it.
package sdk

import (
	"errors"
	"time"
)

type BitwardenClientInterface interface {
	AccessTokenLogin(accessToken string, stateFile *string) error
	Secrets() SecretsInterface
	Close()
}

type SecretsInterface interface {
	Create(key, value, note string, organizationID string, projectIDs []string) (*SecretResponse, error)
	List(organizationID string) (*SecretIdentifiersResponse, error)
	Get(secretID string) (*SecretResponse, error)
	GetByIDS(secretIDs []string) (*SecretsResponse, error)
	Update(secretID string, key, value, note string, organizationID string, projectIDs []string) (*SecretResponse, error)
}

type SecretResponse struct {
	CreationDate   time.Time `json:"creationDate"`
	ID             string    `json:"id"`
	Key            string    `json:"key"`
	Note           string    `json:"note"`
	OrganizationID string    `json:"organizationId"`
	ProjectID      *string   `json:"projectId,omitempty"`
	RevisionDate   time.Time `json:"revisionDate"`
	Value          string    `json:"value"`
}

type SecretsResponse struct {
	Data []SecretResponse `json:"data"`
}

type SecretIdentifiersResponse struct {
	Data []SecretIdentifierResponse `json:"data"`
}

type SecretIdentifierResponse struct {
	ID             string `json:"id"`
	Key            string `json:"key"`
	OrganizationID string `json:"organizationId"`
}

func NewBitwardenClient(apiURL *string, identityURL *string) (BitwardenClientInterface, error) {
	return nil, errors.New("this is not Bitwarden's SDK")
}
