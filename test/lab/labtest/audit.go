package labtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Call is what the API server wrote down of a request on objects.
type Call struct {
	Verb      string
	User      struct{ Username string }
	ObjectRef struct{ Resource, Namespace, Name, APIGroup, Subresource string }
	Response  struct{ Code int } `json:"responseStatus"`
}

// String is the call in words, with its answer.
func (c Call) String() string {
	o := c.ObjectRef
	return fmt.Sprintf("%s %s %s/%s %s: %d", c.Verb, o.APIGroup, o.Namespace, o.Resource, o.Name, c.Response.Code)
}

// Audit reads what an API server writes down.
type Audit struct {
	file   string
	offset int64
}

// NewAudit gives it, and the flags for the API server, whose policy it writes into the folder.
func NewAudit(dir, policy string) (*Audit, []string, error) {
	file, log := filepath.Join(dir, "audit.yaml"), filepath.Join(dir, "audit.log")
	return &Audit{file: log}, []string{"--audit-policy-file=" + file, "--audit-log-path=" + log}, os.WriteFile(file, []byte(policy), 0o600)
}

// Calls are those of a user since the last time; user "" is everybody. What a client asks about its own rights is none: everybody may. A call is
// written down right after it was answered.
func (a *Audit) Calls(user string) (list []Call, err error) {
	time.Sleep(100 * time.Millisecond)
	f, err := os.Open(a.file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(a.offset, 0); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		a.offset += int64(len(lines.Bytes())) + 1
		var c Call
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return nil, err
		}
		if c.ObjectRef.Resource != "" && c.ObjectRef.Resource != "selfsubjectaccessreviews" && (user == "" || user == c.User.Username) {
			list = append(list, c)
		}
	}
	return list, lines.Err()
}
