package bitwarden

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"time"
)

// state is the content of a state file, one encrypted string under the token's key, as the official clients write it.
type state struct {
	Version       int    `json:"version"`
	Token         string `json:"token"`
	EncryptionKey string `json:"encryption_key"`
}

const maxState = 64 << 10

// readState gives the session in the state file, or nil: whatever is wrong with the file, a login mends it.
func (c *Client) readState() *session {
	if c.stateFile == "" {
		return nil
	}
	f, err := os.Open(c.stateFile)
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }()
	enc, err := io.ReadAll(io.LimitReader(f, maxState))
	if err != nil {
		return nil
	}
	plain, err := c.token.key.Decrypt(string(enc))
	var st state
	if err != nil || json.Unmarshal([]byte(plain), &st) != nil || st.Version != 1 {
		return nil
	}
	claims, err := readClaims(st.Token)
	if err != nil {
		return nil
	}
	key, err := ParseKey(st.EncryptionKey)
	if err != nil {
		return nil
	}
	expires := time.Unix(claims.Exp, 0)
	start := expires.Add(-2 * renewBefore) // without a start: until 300 s before the end
	if claims.Iat > 0 {
		start = time.Unix(claims.Iat, 0)
	}
	if !time.Now().Before(expires) {
		return nil
	}
	return &session{jwt: st.Token, org: claims.Organization, key: key, expires: expires, renewAt: renewal(start, expires.Sub(start))}
}

// writeState replaces the state file, readable by its owner alone. It is a cache: what goes wrong costs a login later.
func (c *Client) writeState(s *session) {
	if c.stateFile == "" {
		return
	}
	plain, err := json.Marshal(state{Version: 1, Token: s.jwt, EncryptionKey: s.key.Base64()})
	if err != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(c.stateFile), ".bitwarden-*") // 0600
	if err != nil {
		return
	}
	_, err = f.WriteString(c.token.key.Encrypt(string(plain)))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), c.stateFile)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
}
