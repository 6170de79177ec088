package bitwarden

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

const (
	upstreamToken = "0.ec2c1d46-6a4b-4751-a310-af9601317f2d.C2IgxjjLF7qSshsbwe8JGcbM075YXw:X8vbvA0bduihIDe/qrzIQQ=="
	vectorToken   = "0.11111111-1111-4111-8111-111111111111.vectorclientsecret000000000001:AAECAwQFBgcICQoLDA0ODw=="
)

func TestParseAccessToken(t *testing.T) {
	for name, c := range map[string]struct{ in, id, secret, key string }{
		"upstream": {
			upstreamToken, "ec2c1d46-6a4b-4751-a310-af9601317f2d", "C2IgxjjLF7qSshsbwe8JGcbM075YXw",
			"H9/oIRLtL9nGCQOVDjSMoEbJsjWXSOCb3qeyDt6ckzS3FhyboEDWyTP/CQfbIszNmAVg2ExFganG1FVFGXO/Jg==",
		},
		"vector": {
			vectorToken, "11111111-1111-4111-8111-111111111111", "vectorclientsecret000000000001",
			"VlYhpAfupv4gyis7ZRhjX6G6Mnw/AQ3I5SKinkyT0UuKGOPCxvOzPMjn8rCk7eKF7nZqudu3bTX+ARBCaa0PmQ==",
		},
		"no padding, upper case, no dashes": {
			"0.EC2C1D466A4B4751A310AF9601317F2D.x:X8vbvA0bduihIDe/qrzIQQ", "ec2c1d46-6a4b-4751-a310-af9601317f2d", "x",
			"H9/oIRLtL9nGCQOVDjSMoEbJsjWXSOCb3qeyDt6ckzS3FhyboEDWyTP/CQfbIszNmAVg2ExFganG1FVFGXO/Jg==",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseAccessToken(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if got.ID != c.id || got.secret != c.secret || got.key.Base64() != c.key {
				t.Errorf("id %s, secret %s, key %s", got.ID, got.secret, got.key.Base64())
			}
		})
	}
}

func TestParseAccessTokenRefuses(t *testing.T) {
	const id = "ec2c1d46-6a4b-4751-a310-af9601317f2d"
	for name, in := range map[string]string{
		"empty":                "",
		"newline at the end":   upstreamToken + "\n",
		"space inside":         "0." + id + ".se cret:X8vbvA0bduihIDe/qrzIQQ==",
		"no colon":             "0." + id + ".canary",
		"two colons":           upstreamToken + ":AAAA",
		"version 1":            "1" + upstreamToken[1:],
		"no version":           id + ".canary:X8vbvA0bduihIDe/qrzIQQ==",
		"dot in the secret":    "0." + id + ".can.ary:X8vbvA0bduihIDe/qrzIQQ==",
		"empty secret":         "0." + id + ".:X8vbvA0bduihIDe/qrzIQQ==",
		"id in braces":         "0.{" + id + "}.canary:X8vbvA0bduihIDe/qrzIQQ==",
		"id as URN":            "0.urn:uuid:" + id + ".canary:X8vbvA0bduihIDe/qrzIQQ==",
		"15 bytes":             "0." + id + ".canary:AAECAwQFBgcICQoLDA0O",
		"17 bytes":             "0." + id + ".canary:AAECAwQFBgcICQoLDA0ODxA=",
		"URL alphabet":         "0." + id + ".canary:X8vbvA0bduihIDe_qrzIQQ==",
		"half of the padding":  "0." + id + ".canary:X8vbvA0bduihIDe/qrzIQQ=",
		"stray bits":           "0." + id + ".canary:X8vbvA0bduihIDe/qrzIQR==",
		"break in the base64":  "0." + id + ".canary:X8vbvA0bdu\r\nihIDe/qrzIQQ==",
		"a personal API key":   "user." + id,
		"non-breaking space":   "0." + id + ".can\u00a0ary:X8vbvA0bduihIDe/qrzIQQ==",
		"quotes around it all": `"` + upstreamToken + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseAccessToken(in)
			if !errors.Is(err, ErrAccessToken) {
				t.Fatalf("got %v", err)
			}
			for _, part := range []string{"canary", "C2IgxjjLF7", "X8vbvA0b", id} {
				if strings.Contains(err.Error(), part) {
					t.Errorf("the error quotes %s", part)
				}
			}
		})
	}
}

func TestAccessTokenIsHidden(t *testing.T) {
	tok, err := ParseAccessToken(vectorToken)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{}, vectorToken)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		got := fmt.Sprintf(verb+" "+verb+" "+verb, tok, &tok, c)
		if strings.Contains(got, "vectorclient") || strings.Contains(got, "766563") {
			t.Errorf("%s prints the secret", verb)
		}
	}
}

func TestLoginPayloadVector(t *testing.T) {
	tok, err := ParseAccessToken(vectorToken)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := orgKey(tok.key, payload); err != nil || k.Base64() != vectorOrg {
		t.Errorf("organisation key %s, %v", k.Base64(), err)
	}
}

func FuzzAccessToken(f *testing.F) {
	f.Add(upstreamToken)
	f.Add(vectorToken)
	f.Add("0..:")
	f.Add("0.ec2c1d466a4b4751a310af9601317f2d.x:X8vbvA0bduihIDe/qrzIQQ")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := ParseAccessToken(s)
		if err != nil {
			if !errors.Is(err, ErrAccessToken) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if tok.secret == "" || len(tok.ID) != 36 || tok.ID != strings.ToLower(tok.ID) || strings.ContainsAny(s, " \t\r\n") {
			t.Fatalf("parsed from %d characters: id %s", len(s), tok.ID)
		}
	})
}
