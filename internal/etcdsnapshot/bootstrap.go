package etcdsnapshot

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
)

// ErrLocked says that a password does not open bootstrap data.
var ErrLocked = errors.New("the token does not open the bootstrap data")

// Unlock decrypts bootstrap data with a server token's password, as k3s does at a restore, and throws the result away: it is the private
// keys of the cluster's certificate authorities. k3s writes a salt, ":", and base64 of a nonce of 12 bytes and the output of AES-256-GCM,
// whose key is PBKDF2-HMAC-SHA1 of the password over 4,096 rounds (pkg/cluster/encrypt.go). The error is ErrLocked and tells nothing of either.
func Unlock(data []byte, password string) error {
	salt, text, ok := bytes.Cut(data, []byte(":"))
	if !ok {
		return fmt.Errorf("%w: it is not of the form that k3s writes", ErrLocked)
	}
	sealed, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("%w: it is not of the form that k3s writes", ErrLocked)
	}
	const rounds, keyLen = 4096, 32
	key, err := pbkdf2.Key(sha1.New, password, salt, rounds, keyLen)
	if err != nil {
		return fmt.Errorf("%w: derive its key: %w", ErrLocked, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrLocked, err)
	}
	if len(sealed) < gcm.NonceSize()+gcm.Overhead() {
		return fmt.Errorf("%w: it is cut off", ErrLocked)
	}
	plain, err := gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], nil)
	clear(plain)
	if err != nil {
		return fmt.Errorf("%w: wrong password, or other data", ErrLocked)
	}
	return nil
}
