package bitwarden

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	ivSize  = aes.BlockSize
	macSize = sha256.Size
)

// ErrEncString says that a text is not an encrypted string this client reads: another type, part count or length.
var ErrEncString = errors.New("not a readable encrypted string")

// ErrTampered says that an encrypted string was made with another key, or changed afterwards.
var ErrTampered = errors.New("the signature does not fit: encrypted with another key, or changed on the way")

// Key is a 64-byte symmetric key: 32 bytes for AES-256-CBC, then 32 for HMAC-SHA256. It prints as "[key]".
type Key struct{ b [64]byte }

// Format hides the key from every verb of package fmt.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// ParseKey reads a key from standard base64 of exactly 64 bytes.
func ParseKey(s string) (Key, error) {
	raw, err := decode64(base64.StdEncoding, s)
	if err != nil || len(raw) != 64 {
		return Key{}, errors.New("parse key: want base64 of 64 bytes")
	}
	return Key{[64]byte(raw)}, nil
}

// NewKey makes a random key.
func NewKey() Key {
	var k Key
	_, _ = rand.Read(k.b[:])
	return k
}

// TokenKey derives the key of an access token from the 16 bytes at its end.
func TokenKey(seed [16]byte) Key {
	mac := hmac.New(sha256.New, []byte("bitwarden-accesstoken"))
	mac.Write(seed[:])
	out, err := hkdf.Expand(sha256.New, mac.Sum(nil), "sm-access-token", 64)
	if err != nil { // only for more than 255 hashes of output
		panic(err)
	}
	return Key{[64]byte(out)}
}

// Base64 is the key itself, in the form ParseKey reads. It is a secret.
func (k Key) Base64() string { return base64.StdEncoding.EncodeToString(k.b[:]) }

// Encrypt makes a type 2 encrypted string (AES-256-CBC, PKCS#7, HMAC-SHA256 over iv and ciphertext) with a random iv.
func (k Key) Encrypt(plain string) string {
	var iv [ivSize]byte
	_, _ = rand.Read(iv[:])
	return k.encrypt(plain, iv)
}

func (k Key) encrypt(plain string, iv [ivSize]byte) string {
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	ct := append([]byte(plain), strings.Repeat(string(rune(pad)), pad)...)
	cipher.NewCBCEncrypter(k.block(), iv[:]).CryptBlocks(ct, ct)
	e := base64.StdEncoding.EncodeToString
	return "2." + e(iv[:]) + "|" + e(ct) + "|" + e(k.mac(iv[:], ct))
}

// Decrypt checks the signature of a type 2 encrypted string, then opens it. Types without a signature are refused:
// taking them would let a server hand out forged values.
// Errors: ErrEncString (another type or shape), ErrTampered (signature), both without any of the content.
func (k Key) Decrypt(enc string) (string, error) {
	p, err := parseEncString(enc)
	if err != nil {
		return "", err
	}
	if !hmac.Equal(p.mac, k.mac(p.iv, p.ct)) {
		return "", ErrTampered
	}
	out := make([]byte, len(p.ct))
	cipher.NewCBCDecrypter(k.block(), p.iv).CryptBlocks(out, p.ct)
	pad := int(out[len(out)-1])
	if pad == 0 || pad > aes.BlockSize {
		return "", fmt.Errorf("%w: bad padding", ErrEncString)
	}
	for _, b := range out[len(out)-pad:] {
		if int(b) != pad {
			return "", fmt.Errorf("%w: bad padding", ErrEncString)
		}
	}
	out = out[:len(out)-pad]
	if !utf8.Valid(out) {
		return "", fmt.Errorf("%w: the content is not UTF-8", ErrEncString)
	}
	return string(out), nil
}

func (k Key) block() cipher.Block {
	b, err := aes.NewCipher(k.b[:32])
	if err != nil { // only for a wrong key length
		panic(err)
	}
	return b
}

func (k Key) mac(iv, ct []byte) []byte {
	m := hmac.New(sha256.New, k.b[32:])
	m.Write(iv)
	m.Write(ct)
	return m.Sum(nil)
}

type encString struct{ iv, ct, mac []byte }

// CheckEncString says whether s has the shape of a type 2 encrypted string. It needs no key and proves nothing about the content.
func CheckEncString(s string) error {
	_, err := parseEncString(s)
	return err
}

func parseEncString(s string) (encString, error) {
	kind, rest, ok := strings.Cut(s, ".")
	switch {
	case !ok || len(kind) != 1 || kind[0] < '0' || kind[0] > '9':
		return encString{}, fmt.Errorf("%w: no type in front", ErrEncString)
	case kind == "0":
		return encString{}, fmt.Errorf("%w: type 0 carries no signature and is refused", ErrEncString)
	case kind != "2":
		return encString{}, fmt.Errorf("%w: type %s is not supported, only type 2", ErrEncString, kind)
	}
	parts := strings.Split(rest, "|")
	if len(parts) != 3 {
		return encString{}, fmt.Errorf("%w: %d parts instead of 3", ErrEncString, len(parts))
	}
	var raw [3][]byte
	for i, part := range parts {
		b, err := decode64(base64.StdEncoding, part)
		if err != nil {
			return encString{}, fmt.Errorf("%w: part %d is not base64", ErrEncString, i+1)
		}
		raw[i] = b
	}
	p := encString{iv: raw[0], ct: raw[1], mac: raw[2]}
	if len(p.iv) != ivSize || len(p.mac) != macSize || len(p.ct) == 0 || len(p.ct)%aes.BlockSize != 0 {
		return encString{}, fmt.Errorf("%w: wrong length of a part", ErrEncString)
	}
	return p, nil
}

// decode64 is strict: encoding/base64 alone skips line breaks and ignores stray bits at the end.
func decode64(enc *base64.Encoding, s string) ([]byte, error) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, errors.New("line break in base64")
	}
	return enc.Strict().DecodeString(s)
}

// encLen is the length of the encrypted string for n bytes.
func encLen(n int) int {
	ct := aes.BlockSize * (n/aes.BlockSize + 1)
	return len("2.||") + base64.StdEncoding.EncodedLen(ivSize) + base64.StdEncoding.EncodedLen(ct) + base64.StdEncoding.EncodedLen(macSize)
}
