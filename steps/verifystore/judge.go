package verifystore

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"
	"k8s.io/apimachinery/pkg/api/resource"

	"plan/internal/checks"
)

// The findings that this kind has besides the common ones.
const (
	tooSmall checks.Name = "TOO_SMALL" // fail: the newest object is smaller than minSize
	empty    checks.Name = "EMPTY"     // listed: objects of no bytes, left out
)

// judge makes findings of a complete listing.
func (w wanted) judge(s seen, limit checks.Limit) []checks.Finding {
	var found []checks.Finding
	switch {
	case s.newest.Key != "":
		found = w.judgeNewest(s, limit)
	case s.future.count == 0 && s.undated.count == 0:
		found = append(found, w.none(s))
	}
	if n := s.future.count; n > 0 {
		f := limit.Judge(s.future.newest.Key, s.future.newest.LastModified)
		f.Message = fmt.Sprintf("%s; %s of the future in all", f.Message, count(n, "object"))
		found = append(found, f)
	}
	if n := s.undated.count; n > 0 {
		f := limit.Judge(s.undated.newest.Key, time.Time{})
		f.Message = count(n, "object") + " without a time left out"
		if s.newest.Key != "" {
			f.Verdict = checks.None // the newest of the others counts
		}
		found = append(found, f)
	}
	if n := s.empty.count; n > 0 {
		found = append(found, checks.Finding{
			Name: empty, Verdict: checks.None, Object: s.empty.newest.Key,
			Message: fmt.Sprintf("%s of no bytes left out, the newest of %s", count(n, "object"), s.empty.newest.LastModified.UTC().Format(time.RFC3339)),
			Cause:   "what makes them broke off, or wrote nothing", Next: "look at the job that makes them; delete them when it works again",
		})
	}
	return found
}

// judgeNewest judges age and size. An object that is young enough and too small is not OK.
func (w wanted) judgeNewest(s seen, limit checks.Limit) []checks.Finding {
	f := limit.Judge(s.newest.Key, s.newest.LastModified)
	f.Message = fmt.Sprintf("%s, %s, the newest of %d", f.Message, humanize.IBytes(uint64(s.newest.Size)), s.objects)
	f.Data["size"] = s.newest.Size
	if f.Name == checks.Stale {
		f.Cause, f.Next = "nothing newer is under "+w.where(), "find out why the job that writes there did not run or did not finish"
	}
	if s.newest.Size >= w.minSize {
		return []checks.Finding{f}
	}
	small := checks.Finding{
		Name: tooSmall, Verdict: checks.Fail, Object: s.newest.Key, Data: f.Data,
		Message: fmt.Sprintf("%d bytes, less than the %d that it should have", s.newest.Size, w.minSize),
		Cause:   "what makes it had little or nothing to write, or broke off", Next: "look at the job that makes it, and at what is in the object",
	}
	if f.Verdict == checks.Pass {
		return []checks.Finding{small}
	}
	return []checks.Finding{f, small}
}

// none is the finding for a complete listing without an object that counts.
func (w wanted) none(s seen) checks.Finding {
	f := checks.Finding{Name: checks.NoBackup, Verdict: checks.Fail, Object: w.folder, Message: "no object is there", Next: "see that the job that writes there runs, and that store and prefix are its"}
	switch {
	case s.empty.count > 0:
		f.Cause = fmt.Sprintf("%s, of no bytes", count(s.empty.count, "object"))
	case s.other > 0:
		f.Cause = fmt.Sprintf("%s there, none matches the pattern", count(s.other, "object"))
		f.Next = "see that the pattern is one of whole keys below the prefix, and that what should match was made"
	default:
		f.Cause = "nothing at all is under " + w.where()
	}
	return f
}

func (w wanted) where() string {
	if w.folder == "" {
		return "the store"
	}
	return w.folder
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// bytes reads a size: a whole number, or a quantity of Kubernetes such as 10Mi.
func bytes(v any) (int64, error) {
	n, ok := int64(0), true
	switch v := v.(type) {
	case nil:
	case int:
		n = int64(v)
	case int64:
		n = v
	case float64:
		n, ok = int64(v), v == math.Trunc(v) && math.Abs(v) < 1<<53
	case json.Number:
		return bytes(string(v))
	case string:
		q, err := resource.ParseQuantity(v)
		if err != nil {
			return 0, fmt.Errorf("%q is no quantity: write a number of bytes, or one with a unit such as 10Mi", v)
		}
		n = q.Value() // rounded up, or wrapped
		if q.Cmp(*resource.NewQuantity(n, resource.DecimalSI)) != 0 {
			return 0, fmt.Errorf("%q is not a whole number of bytes, or too large", v)
		}
	default:
		ok = false
	}
	if !ok || n < 0 {
		return 0, errors.New("want a number of bytes, or a quantity such as 10Mi")
	}
	return n, nil
}
