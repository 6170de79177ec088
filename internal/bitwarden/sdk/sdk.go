// Package sdk uses Bitwarden's official Go SDK in the place of plan's own client. It is a module of its own, and nothing of plan needs it:
// the SDK is a binding to a prebuilt library, under a licence of its own. See README.md.
//
// Only official.go imports the SDK, and only with the build tag bitwardensdk. Everything else works on the interfaces below.
package sdk

import (
	"fmt"
	"io"
	"time"
)

// SDK is what the adapter needs of the SDK's client. Names and order of arguments are the SDK's.
type SDK interface {
	AccessTokenLogin(accessToken string, stateFile *string) error
	Secrets() Secrets
	Close()
}

// Secrets is what the adapter needs of the SDK's secrets.
type Secrets interface {
	Create(key, value, note, organizationID string, projectIDs []string) (*Secret, error)
	List(organizationID string) ([]Identifier, error)
	Get(secretID string) (*Secret, error)
	GetByIDS(secretIDs []string) ([]Secret, error)
	Update(secretID, key, value, note, organizationID string, projectIDs []string) (*Secret, error)
}

// Secret has the fields of the SDK's SecretResponse, by their names in its JSON.
type Secret struct {
	ID             string    `json:"id"`
	OrganizationID string    `json:"organizationId"`
	ProjectID      *string   `json:"projectId"`
	Key            string    `json:"key"`
	Value          string    `json:"value"`
	Note           string    `json:"note"`
	CreationDate   time.Time `json:"creationDate"`
	RevisionDate   time.Time `json:"revisionDate"`
}

// Format prints the id with every verb of package fmt, never value or note.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "secret "+s.ID) }

// Identifier has the fields of the SDK's SecretIdentifierResponse, by their names in its JSON.
type Identifier struct {
	ID             string `json:"id"`
	OrganizationID string `json:"organizationId"`
	Key            string `json:"key"`
}
