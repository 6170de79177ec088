package s3

import (
	"errors"
	"strings"
	"testing"

	"plan/internal/objectstore"
)

func TestKindsOfAnswers(t *testing.T) {
	tests := map[string]struct {
		status int
		code   string
		want   error
	}{
		"no such key":                      {404, "NoSuchKey", objectstore.ErrNotFound},
		"HEAD of no such key":              {404, "NotFound", objectstore.ErrNotFound},
		"no such bucket":                   {404, "NoSuchBucket", objectstore.ErrNoBucket},
		"versitygw, unknown access key":    {404, "XAdminUserNotFound", objectstore.ErrDenied},
		"a web server that is no S3":       {404, "", nil},
		"HEAD forbidden":                   {403, "Forbidden", objectstore.ErrDenied},
		"unknown access key":               {403, "InvalidAccessKeyId", objectstore.ErrDenied},
		"entry of DeleteObjects":           {0, "AccessDenied", objectstore.ErrDenied},
		"exists":                           {412, "PreconditionFailed", objectstore.ErrExists},
		"past the end":                     {416, "InvalidRange", objectstore.ErrRange},
		"damaged":                          {400, "BadDigest", objectstore.ErrDamaged},
		"damaged, by the signature's hash": {400, "XAmzContentSHA256Mismatch", objectstore.ErrDamaged},
		"overload":                         {503, "SlowDown", nil},
	}
	for name, tc := range tests {
		if got := kindOf(tc.status, tc.code); !errors.Is(got, tc.want) || got != nil && tc.want == nil {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
}

func TestAnAnswerIsSaidOnce(t *testing.T) {
	tests := map[string]struct {
		status              int
		code, message, want string
	}{
		"in a 200":         {0, "AccessDenied", "Access Denied.", "access denied"},
		"with more to say": {403, "AccessDenied", "Not on Sundays", "access denied: Not on Sundays (HTTP 403)"},
		"HEAD":             {403, "Forbidden", "Forbidden", "access denied: Forbidden (HTTP 403)"},
		"of no kind":       {503, "SlowDown", "Slow down.", "SlowDown (HTTP 503)"},
		"nothing said":     {500, "", "", "(HTTP 500)"},
	}
	for name, tc := range tests {
		e := (&Store{location: "s3://b"}).answered("delete", "k", tc.status, tc.code, tc.message, nil)
		if e.Err.Error() != tc.want || e.Code != tc.code || kindOf(tc.status, tc.code) != nil && !errors.Is(e, kindOf(tc.status, tc.code)) {
			t.Errorf("%s: %q, want %q", name, e.Err, tc.want)
		}
	}
}

func TestAServersTextIsOneShortPrintableLine(t *testing.T) {
	got := clean("\x1b]0;owned\x07 bad\r\nthing\u202e" + strings.Repeat("ü", 1000))
	if strings.ContainsAny(got, "\x1b\x07\r\n\u202e") || len(got) > 410 || !strings.Contains(got, "bad  thing") {
		t.Errorf("%q", got)
	}
}
