//go:build !bitwardensdk

package sdk

import "errors"

// Official refuses: this build is without the SDK.
func Official(_, _ *string) (SDK, error) {
	return nil, errors.New("this program was built without Bitwarden's SDK; build it with -tags bitwardensdk, as README.md says")
}
