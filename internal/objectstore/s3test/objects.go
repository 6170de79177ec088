package s3test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const metaPrefix = "X-Amz-Meta-"

func (s *Server) get(w http.ResponseWriter, r *http.Request, c call) {
	s.mu.Lock()
	o, ok := s.objects[c.key]
	s.mu.Unlock()
	if !ok {
		fail(w, r, http.StatusNotFound, "NoSuchKey")
		return
	}
	for k, v := range o.Metadata {
		w.Header().Set(metaPrefix+k, v)
	}
	w.Header().Set("Etag", fmt.Sprintf(`"%x"`, md5.Sum(o.Body)))
	w.Header().Set("Content-Type", o.ContentType)
	if r.Header.Get("Range") != "" && len(o.Body) == 0 {
		fail(w, r, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
		return
	}
	http.ServeContent(w, r, "", o.LastModified, bytes.NewReader(o.Body))
}

func (s *Server) put(w http.ResponseWriter, r *http.Request, c call) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	if status, code := checkBody(r.Header, body); code != "" {
		fail(w, r, status, code)
		return
	}
	o := Object{Body: body, ContentType: r.Header.Get("Content-Type"), Metadata: map[string]string{}, LastModified: s.Now()}
	for k := range r.Header {
		if name, ok := strings.CutPrefix(k, metaPrefix); ok {
			o.Metadata[strings.ToLower(name)] = r.Header.Get(k)
		}
	}
	if c.effect == StoreShort {
		o.Body = body[:min(3, len(body))]
	}
	s.mu.Lock()
	_, exists := s.objects[c.key]
	refuse := exists && r.Header.Get("If-None-Match") == "*"
	if !refuse {
		s.store(c.key, o)
	}
	s.mu.Unlock()
	if refuse {
		fail(w, r, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	}
	w.Header().Set("Etag", fmt.Sprintf(`"%x"`, md5.Sum(body)))
}

// checkBody compares the body with what the headers say of it.
func checkBody(h http.Header, body []byte) (status int, code string) {
	sum := sha256.Sum256(body)
	signed := h.Get("X-Amz-Content-Sha256")
	switch {
	case strings.HasPrefix(signed, "STREAMING-"):
		return http.StatusNotImplemented, "NotImplemented"
	case signed != "UNSIGNED-PAYLOAD" && signed != hex.EncodeToString(sum[:]):
		return http.StatusBadRequest, "XAmzContentSHA256Mismatch"
	}
	if want := h.Get("X-Amz-Checksum-Sha256"); want != "" && want != base64.StdEncoding.EncodeToString(sum[:]) {
		return http.StatusBadRequest, "BadDigest"
	}
	md5sum := md5.Sum(body)
	if want := h.Get("Content-Md5"); want != "" && want != base64.StdEncoding.EncodeToString(md5sum[:]) {
		return http.StatusBadRequest, "BadDigest"
	}
	return 0, ""
}

type deleteBody struct {
	Quiet  bool
	Object []struct{ Key string }
}

type deleteResult struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Deleted []deleted
	Error   []deleted
}

type deleted struct {
	Key     string
	Code    string `xml:",omitempty"`
	Message string `xml:",omitempty"`
}

// deletes insists on Content-MD5, as older servers do.
func (s *Server) deletes(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	if r.Header.Get("Content-Md5") == "" {
		fail(w, r, http.StatusBadRequest, "MissingContentMD5")
		return
	}
	if status, code := checkBody(r.Header, body); code != "" {
		fail(w, r, status, code)
		return
	}
	var ask deleteBody
	if err := xml.Unmarshal(body, &ask); err != nil || len(ask.Object) > 1000 {
		fail(w, r, http.StatusBadRequest, "MalformedXML")
		return
	}
	var result deleteResult
	for _, o := range ask.Object {
		if s.keeps(o.Key) {
			result.Error = append(result.Error, deleted{o.Key, "AccessDenied", "the test server keeps it"})
			continue
		}
		s.mu.Lock()
		s.remove(o.Key)
		s.mu.Unlock()
		if !ask.Quiet {
			result.Deleted = append(result.Deleted, deleted{Key: o.Key})
		}
	}
	answer(w, http.StatusOK, result)
}

// keeps tells whether a fault protects one entry of a DeleteObjects.
func (s *Server) keeps(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Key == key && f.Op == Deletes {
			return true
		}
	}
	return false
}

var epoch = time.Unix(0, 0)

// stamp is S3's form of a time.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
