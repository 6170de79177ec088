package s3test

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

type listResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	MaxKeys               int
	KeyCount              int
	IsTruncated           *bool
	ContinuationToken     string `xml:",omitempty"`
	NextContinuationToken string `xml:",omitempty"`
	Contents              []content
	CommonPrefixes        []folder
}

type content struct {
	Key          string
	LastModified string
	Size         int
	StorageClass string
}

type folder struct{ Prefix string }

func (s *Server) list(w http.ResponseWriter, r *http.Request, c call) {
	q := r.URL.Query()
	result := listResult{
		Name: s.Bucket, Prefix: q.Get("prefix"), Delimiter: q.Get("delimiter"),
		MaxKeys: s.pageSize(q), ContinuationToken: q.Get("continuation-token"),
	}
	after, err := base64.URLEncoding.DecodeString(result.ContinuationToken)
	if err != nil || c.effect == Circle {
		after = nil // from the beginning
	}
	s.mu.Lock()
	last, more := s.fill(&result, string(after))
	calls := s.calls[List]
	s.mu.Unlock()
	result.IsTruncated = &more
	result.KeyCount = len(result.Contents) + len(result.CommonPrefixes)
	if more {
		result.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(last))
	}
	distort(&result, c.effect, calls)
	answer(w, http.StatusOK, result)
}

func (s *Server) pageSize(q url.Values) int {
	size := 1000
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		size = min(n, size)
	}
	if s.PageLimit > 0 {
		size = min(size, s.PageLimit)
	}
	return size
}

// fill adds a page of keys and folders that come after the given one, and
// gives the last of them and whether there are more.
func (s *Server) fill(result *listResult, after string) (last string, more bool) {
	start := max(after, result.Prefix)
	i, _ := slices.BinarySearch(s.keys, start)
	for _, key := range s.keys[i:] {
		if !strings.HasPrefix(key, result.Prefix) {
			break
		}
		name := key // or its folder
		if result.Delimiter != "" {
			if j := strings.Index(key[len(result.Prefix):], result.Delimiter); j >= 0 {
				name = key[:len(result.Prefix)+j+len(result.Delimiter)]
			}
		}
		if after != "" && name <= after || name == last {
			continue
		}
		if len(result.Contents)+len(result.CommonPrefixes) == result.MaxKeys {
			return last, true
		}
		last = name
		if name != key {
			result.CommonPrefixes = append(result.CommonPrefixes, folder{name})
			continue
		}
		o := s.objects[key]
		result.Contents = append(result.Contents, content{key, stamp(o.LastModified), len(o.Body), "STANDARD"})
	}
	return last, false
}

func distort(result *listResult, effect Effect, calls int) {
	yes := true
	switch effect {
	case RepeatToken:
		result.IsTruncated, result.NextContinuationToken = &yes, "again"
	case Circle:
		result.IsTruncated, result.NextContinuationToken = &yes, fmt.Sprintf("token-%d", calls)
	case NoToken:
		result.IsTruncated, result.NextContinuationToken = &yes, ""
	case NoFlag:
		result.IsTruncated = nil
	case ForeignKey:
		result.Contents = append(result.Contents, content{Key: "~somebody/else's", LastModified: stamp(epoch)})
	case Unsorted:
		slices.Reverse(result.Contents)
	}
}
