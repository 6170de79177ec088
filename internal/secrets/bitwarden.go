package secrets

import (
	"context"
	"errors"

	"plan/internal/bitwarden"
)

// BitwardenSpec is spec.secrets.bitwarden: where Bitwarden Secrets Manager is and who asks. Paths are relative to the plan file.
type BitwardenSpec struct {
	ServerURL   string `yaml:"serverURL"` // "" is the US cloud
	CAFile      string `yaml:"caFile"`
	Insecure    bool   `yaml:"insecure"`
	StateFile   string `yaml:"stateFile"`
	AccessToken Secret `yaml:"accessToken"` // from env, file or kubernetes
}

// TokenField is the path of the access token in a plan.
const TokenField = "spec.secrets.bitwarden.accessToken"

// Validate finds an access token that would have to come from Bitwarden itself.
func (b BitwardenSpec) Validate() error {
	if b.AccessToken.From != nil && b.AccessToken.From.Bitwarden != (Bitwarden{}) {
		return errors.New("the access token cannot come from bitwarden itself; want env, file or kubernetes")
	}
	return nil
}

// Config is what a client is made from.
func (b BitwardenSpec) Config(baseDir string) bitwarden.Config {
	return bitwarden.Config{
		ServerURL: b.ServerURL,
		CAFile:    absolute(baseDir, b.CAFile),
		Insecure:  b.Insecure,
		StateFile: absolute(baseDir, b.StateFile),
	}
}

// BitwardenReader is the part of a Bitwarden client that reading values needs.
type BitwardenReader interface {
	// Login makes sure that there is a session.
	Login(ctx context.Context) error
	// SecretsByID reads several in one request. Its error names each id that is not found.
	SecretsByID(ctx context.Context, ids []string) (map[string]bitwarden.Secret, error)
	// IDs finds secrets by project and key, with one list for all. Its error joins a *bitwarden.KeyError for each that is not found.
	IDs(ctx context.Context, keys []bitwarden.ProjectKey) (map[bitwarden.ProjectKey]string, error)
}

// KubernetesReader reads one key of a Secret.
type KubernetesReader interface {
	SecretKey(ctx context.Context, namespace, name, key string) ([]byte, error)
}
