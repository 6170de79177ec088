package bitwarden

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const (
	upstreamOrg = "k/6PcwG7Hm/eZfvvOvP6EqGx1JKgbzYrWwpOIHsxbJHQMpIMg5Ud94AQHduSR+XMMaFiSB+nszbO4JPXj04YwA=="
	vectorOrg   = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl9gYWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+fw=="
	vectorIV    = "oKGio6SlpqeoqaqrrK2urw=="
	sealedA     = "2.oKGio6SlpqeoqaqrrK2urw==|eBvM8b8mZfirvNgUyqIlLQ==|pf0g7mr5DBTrxW410DWIKWMzfiK8arJ52eB+GvLajKM="
	payload     = "2.oKGio6SlpqeoqaqrrK2urw==|7/a6dSCDpGScFQnUP0ZJxyjeCZKYwWdCsVFR7GJa0UdFULqxSFFChBYO4FmVd38MITrKba8bXqEk2j5FjtcTC0eQwTVNhc5LSG4LYBeOLCsAngO+jwiz+c8Fx8eLUKhcF+5VfoDyaQynwJaUpn4cQQ==|m6tWztXmCS4C40oGEJARcGo08MiBpa5p4Zajv1PpnOM="
)

func key(t *testing.T, b64 string) Key {
	t.Helper()
	k, err := ParseKey(b64)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestDecryptVectors(t *testing.T) {
	for name, c := range map[string]struct{ org, enc, want string }{
		"upstream 1":      {upstreamOrg, "2.WYqmVCB2wZc08tkzNOCmTw==|FAsVol/nJnnDk3/mp7z6QQ==|uPJOCC8iAbMzz4t60c35iZm8KzWKMn0ueCVJZlfmTdY=", "btw"},
		"upstream 2":      {upstreamOrg, "2.pMS6/icTQABtulw52pq2lg==|XXbxKxDTh+mWiN1HjH2N1w==|Q6PkuT+KX/axrgN9ubD5Ajk2YNwxQkgs3WJM0S0wtG8=", "TEST"},
		"official core 1": {vectorOrg, "2.LjeQsMXXtozYkQfUi+XGRw==|PtGpH5JEIxIogPhkfL4oXJ4juk8YnqR9DppTxLMNGPU=|R4i+EiENV1xrLa3IXU3qDcWkAWYwReg3KWobcBsADfY=", "made by the official core"},
		"official core 2": {vectorOrg, "2.kuvYy2vtz6Bt08ezDvB4HQ==|nwCILFiw09HOCvK4tKJCKw==|m8P6Rw2Ras2R91cgzOcxwhiPeXHmGMWnp/CGeJkDRQc=", "second\nline"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := key(t, c.org).Decrypt(c.enc); err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestEncryptVectors(t *testing.T) {
	iv := [ivSize]byte{}
	for i := range iv {
		iv[i] = byte(0xa0 + i)
	}
	for plain, want := range map[string]string{
		"":                       "2.oKGio6SlpqeoqaqrrK2urw==|Sv6mwPgd4Ie2uZ98GRo+xA==|jqCpATHISLu6+o0uOjTDx3VwtnZWfUJ5CKA0GoRWG1c=",
		"a":                      sealedA,
		"0123456789abcdef":       "2.oKGio6SlpqeoqaqrrK2urw==|INVf1XMDSqvgJPIFS9ODqTrWEJrUvUrvRnI+oKSNj3w=|BMLpc93Rv49LJMtWDuEhIaIVaCJ44if3OF5QCKqse6k=",
		"ünïcode 🔐 | 2.x\nline2": "2.oKGio6SlpqeoqaqrrK2urw==|HBLdQaUD26ep6KhSFAXvxt9tmGt8rD6zeR2Qeohx4rU=|kvBX7UQey/69SxwGu+jfzq5lme8FXjkpzwP02kolO9o=",
	} {
		if got := key(t, vectorOrg).encrypt(plain, iv); got != want {
			t.Errorf("encrypt %q: got %s", plain, got)
		}
		if got, err := key(t, vectorOrg).Decrypt(want); err != nil || got != plain {
			t.Errorf("decrypt %q: got %q, %v", plain, got, err)
		}
	}
}

func TestDecryptRefuses(t *testing.T) {
	parts := strings.Split(strings.TrimPrefix(sealedA, "2."), "|")
	iv, ct, mac := parts[0], parts[1], parts[2]
	for name, c := range map[string]struct {
		enc  string
		want error
	}{
		"last bit of the signature": {strings.TrimSuffix(sealedA, "M=") + "I=", ErrTampered},
		"another signature":         {"2." + iv + "|" + ct + "|" + strings.Repeat("A", 43) + "=", ErrTampered},
		"another iv":                {"2.AAAAAAAAAAAAAAAAAAAAAA==|" + ct + "|" + mac, ErrTampered},
		"type 0":                    {"0." + iv + "|" + ct, ErrEncString},
		"type 0 with signature":     {"0." + iv + "|" + ct + "|" + mac, ErrEncString},
		"type 2 without signature":  {"2." + iv + "|" + ct, ErrEncString},
		"type 7":                    {"7." + iv, ErrEncString},
		"type 9":                    {"9." + iv + "|" + ct + "|" + mac, ErrEncString},
		"no type":                   {iv + "|" + ct + "|" + mac, ErrEncString},
		"empty":                     {"", ErrEncString},
		"line break":                {"2." + iv + "|" + ct + "|" + mac + "\n", ErrEncString},
		"no padding":                {strings.TrimSuffix(sealedA, "="), ErrEncString},
		"no ciphertext":             {"2." + iv + "||" + mac, ErrEncString},
		"short iv":                  {"2.AAAA|" + ct + "|" + mac, ErrEncString},
		"four parts":                {sealedA + "|", ErrEncString},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := key(t, vectorOrg).Decrypt(c.enc); !errors.Is(err, c.want) || got != "" {
				t.Errorf("got %q, %v; want %v", got, err, c.want)
			}
		})
	}
	if _, err := NewKey().Decrypt(sealedA); !errors.Is(err, ErrTampered) {
		t.Errorf("foreign key: %v", err)
	}
	if _, err := key(t, vectorOrg).Decrypt(key(t, vectorOrg).Encrypt("\xff")); !errors.Is(err, ErrEncString) {
		t.Errorf("not UTF-8: %v", err)
	}
}

func TestEncryptRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k, plain := NewKey(), rapid.String().Draw(t, "plain")
		enc := k.Encrypt(plain)
		if got, err := k.Decrypt(enc); err != nil || got != plain {
			t.Fatalf("got %q, %v", got, err)
		}
		if len(enc) != encLen(len(plain)) {
			t.Fatalf("length %d, computed %d", len(enc), encLen(len(plain)))
		}
	})
}

func TestKeyIsHidden(t *testing.T) {
	k := key(t, vectorOrg)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != "[key]" {
			t.Errorf("%s prints %d characters", verb, len(got))
		}
	}
	for _, bad := range []string{"", "AAAA", vectorOrg + "\n", vectorOrg[:87]} {
		if _, err := ParseKey(bad); err == nil {
			t.Errorf("parsed a key of %d characters", len(bad))
		}
	}
}

func FuzzEncString(f *testing.F) {
	f.Add(sealedA)
	f.Add(payload)
	f.Add("2.||")
	f.Add("0.a|b")
	k, err := ParseKey(vectorOrg)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseEncString(s)
		if err != nil {
			if !errors.Is(err, ErrEncString) || strings.Contains(s, "|") && strings.Contains(err.Error(), s) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if len(p.iv) != ivSize || len(p.mac) != macSize || len(p.ct) == 0 || len(p.ct)%16 != 0 {
			t.Fatal("wrong lengths passed")
		}
		if _, err := k.Decrypt(s); err == nil && s != sealedA {
			if again := k.encrypt("a", [16]byte(p.iv)); again != s {
				t.Fatal("a forged string opens")
			}
		}
	})
}
