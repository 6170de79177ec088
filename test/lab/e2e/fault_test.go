package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"plan/internal/bitwarden/bwtest"
)

// badAnswers are what a store may make of a backup that it took without complaint.
func badAnswers() map[string]func(body []byte) []byte {
	return map[string]func([]byte) []byte{
		"three bytes": func(b []byte) []byte { return b[:3] },
		"one bit":     func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"nothing":     func([]byte) []byte { return nil },
		"more":        func(b []byte) []byte { return append(b, b...) },
	}
}

// TestWhatDoesNotReadBackIsNoBackup: P5. The run fails, and the good backup from before stays although the rules would let it go.
func TestWhatDoesNotReadBackIsNoBackup(t *testing.T) {
	r := theLab(t)
	n := 0
	for name, spoil := range badAnswers() {
		n++
		prefix := fmt.Sprintf("spoilt-%d", n)
		t.Run(name, func(t *testing.T) {
			p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
			step := fmt.Sprintf("    - {id: pvs, uses: backup-pvs, with: {prefix: %s, keep: {last: 1}}}\n", prefix)
			good := p.must(t, 0, "apply", p.write(t, "good.yaml", r.planText("{name: home}", step)), "-o", "json").json(t).step(t, "pvs").text(t, "key")
			bad := r.proxied(t, r.S3.Endpoint, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
				if req.Method != http.MethodGet || !strings.Contains(req.URL.Path, "/pvs-") || strings.HasSuffix(req.URL.Path, good) {
					next.ServeHTTP(w, req)
					return
				}
				answer := httptest.NewRecorder()
				next.ServeHTTP(answer, req)
				body := spoil(answer.Body.Bytes())
				for key, values := range answer.Header() {
					w.Header()[key] = values
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(body)))
				w.WriteHeader(answer.Code)
				w.Write(body)
			})
			file := p.write(t, "bad.yaml", planWith("{name: home}", storeSection(bad.URL, r.S3.Bucket), step))
			got := p.with("SSL_CERT_FILE="+bad.CAFile).must(t, 1, "apply", file, "-o", "json")
			if step := got.json(t).step(t, "pvs"); step.Outcome != "failed" {
				t.Errorf("the step: %+v", step)
			}
			if left := r.keys(t, good); len(left) != 1 {
				t.Error("the good backup is gone")
			}
		})
	}
}

// TestStoreThatIsBusyIsAskedAgain: answers of 503 and broken connections, some of them after the upload was taken.
func TestStoreThatIsBusyIsAskedAgain(t *testing.T) {
	r := theLab(t)
	var puts, others atomic.Int32
	busy := r.proxied(t, r.S3.Endpoint, func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		switch {
		case req.Method == http.MethodPut && puts.Add(1) == 1:
			next.ServeHTTP(httptest.NewRecorder(), req) // done, but not answered
			reset(w)
		case req.Method != http.MethodPut && others.Add(1)%2 == 1:
			http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
		default:
			next.ServeHTTP(w, req)
		}
	})
	p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...).with("SSL_CERT_FILE=" + busy.CAFile)
	file := p.write(t, "plan.yaml", planWith("{name: home}", storeSection(busy.URL, r.S3.Bucket), fmt.Sprintf(pvsStep, "busy")))
	key := p.must(t, 0, "apply", file, "-o", "json").json(t).step(t, "pvs").text(t, "key")
	r.isStored(t, "busy", key)
}

// TestBitwardenThatAsksToWaitIsAskedAgain, and one that is out of order is unreachable.
func TestBitwardenThatAsksToWaitIsAskedAgain(t *testing.T) {
	r := theLab(t)
	t.Cleanup(r.BitwardenServer.Heal)
	p := r.program(t, "HEALTHCHECKS_URL="+r.PingURL)
	r.BitwardenServer.ResetCounts()
	r.BitwardenServer.FailNext(bwtest.TooMany("1").At(bwtest.Login), bwtest.TooMany("1").At(bwtest.ListSecrets), bwtest.Truncate().At(bwtest.GetSecret))
	p.must(t, 0, "apply", example(t))
	if n := r.BitwardenServer.Logins(); n != 2 {
		t.Errorf("%d logins, want the one that was told to wait and one more", n)
	}
	before := r.world(t)
	r.BitwardenServer.FailNext(bwtest.Status(http.StatusServiceUnavailable).For(-1))
	p.must(t, 69, "apply", example(t)).says(t, r.Bitwarden.URL)
	r.unchanged(t, before)
}
