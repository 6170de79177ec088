package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// stored is an object and the key under which kube-apiserver keeps it.
type stored struct {
	key    string
	object runtime.Object
}

// putStored writes all of the batch in one transaction of etcd's JSON gateway, in the form that kube-apiserver
// stores by default: protobuf, not encrypted.
func putStored(ctx context.Context, etcd string, batch []stored) error {
	type put struct { // the gateway takes bytes as base64, as encoding/json writes them
		Key   []byte `json:"key"`
		Value []byte `json:"value"`
	}
	type op struct {
		Put put `json:"requestPut"`
	}
	if len(batch) == 0 {
		return nil
	}
	enc := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	ops := make([]op, len(batch))
	for i, s := range batch {
		b, err := runtime.Encode(enc, s.object)
		if err != nil {
			return fmt.Errorf("encode %s: %w", s.key, err)
		}
		ops[i] = op{put{Key: []byte(s.key), Value: b}}
	}
	return wrap(askEtcd(ctx, etcd+"/v3/kv/txn", map[string]any{"success": ops}, nil), "write to etcd")
}

// askEtcd calls etcd's JSON gateway. A nil answer is not read.
func askEtcd(ctx context.Context, url string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		b, _ := io.ReadAll(io.LimitReader(resp.Body, 300)) // what it says helps, but is not needed
		return fmt.Errorf("%s: %s", resp.Status, b)
	}
	if answer == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(answer)
}
