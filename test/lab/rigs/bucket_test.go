package rigs

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// object is one of the bucket.
type object struct {
	body []byte
	meta map[string]string
}

// keys are those below a prefix, sorted.
func (r *rig) keys(ctx context.Context, prefix string) (list []string, err error) {
	pages := s3.NewListObjectsV2Paginator(r.s3, &s3.ListObjectsV2Input{Bucket: &r.S3.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			list = append(list, aws.ToString(o.Key))
		}
	}
	slices.Sort(list)
	return list, nil
}

func (r *rig) put(ctx context.Context, key string, o object) error {
	_, err := r.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &r.S3.Bucket, Key: &key, Body: bytes.NewReader(o.body), Metadata: o.meta})
	return err
}

func (r *rig) get(ctx context.Context, key string) (object, error) {
	got, err := r.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: &r.S3.Bucket, Key: &key})
	if err != nil {
		return object{}, err
	}
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	return object{body, got.Metadata}, err
}

// clear removes what is below a prefix.
func (r *rig) clear(ctx context.Context, prefix string) error {
	list, err := r.keys(ctx, prefix)
	for _, key := range list {
		if _, err := r.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &r.S3.Bucket, Key: &key}); err != nil {
			return err
		}
	}
	return err
}

// content is what a sound backup holds: names by kind. It is read with no code of the product.
func (o object) content() (map[string][]string, error) {
	if sum := fmt.Sprintf("%x", sha256.Sum256(o.body)); sum != o.meta["plan-sha256"] {
		return nil, fmt.Errorf("SHA-256 is %s, its metadata says %s", sum, o.meta["plan-sha256"])
	}
	zr, err := gzip.NewReader(bytes.NewReader(o.body))
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Kind     string
			Metadata struct{ Name string }
		}
	}
	if err := json.NewDecoder(zr).Decode(&list); err != nil {
		return nil, err
	}
	if _, err := io.Copy(io.Discard, zr); err != nil {
		return nil, err
	}
	names := map[string][]string{}
	for _, item := range list.Items {
		names[item.Kind] = append(names[item.Kind], item.Metadata.Name)
	}
	return names, nil
}

// sound wants a backup that has all that the oldest one has.
func (r *rig) sound(ctx context.Context, key string, least map[string][]string) error {
	o, err := r.get(ctx, key)
	if err != nil {
		return err
	}
	names, err := o.content()
	if err != nil {
		return fmt.Errorf("backup %s: %w", key, err)
	}
	for kind, want := range least {
		for _, name := range want {
			if !slices.Contains(names[kind], name) {
				return fmt.Errorf("backup %s lacks %s %s", key, kind, name)
			}
		}
	}
	return nil
}

// history is what a run finds below its prefix: three backups of each artefact, oldest first, by the end of their keys, and a file of
// somebody else's.
type history struct {
	pvs, nodes   []string
	objects      map[string]object
	pvsLeast     map[string][]string // what every backup must have
	nodesLeast   map[string][]string
	damaged      object
	damagedUnder string
}

// newHistory makes backups with the program.
func (r *rig) newHistory(ctx context.Context, c *command) (h *history, err error) {
	h = &history{objects: map[string]object{}}
	plan, err := c.write("history.yaml", r.planText(r.S3.Endpoint, "history", `
    - {id: pvs, uses: backup-pvs, with: {prefix: history}}
    - {id: nodes, uses: backup-nodes, needs: [], with: {prefix: history}}
`))
	if err != nil {
		return nil, err
	}
	for range 3 {
		tick()
		got, err := c.must(0, "apply", plan, "-o", "json")
		if err != nil {
			return nil, err
		}
		d, err := got.document()
		if err != nil {
			return nil, err
		}
		for id, list := range map[string]*[]string{"pvs": &h.pvs, "nodes": &h.nodes} {
			key := d.step(id).text("key")
			name := strings.TrimPrefix(key, "history/")
			*list = append(*list, name)
			if h.objects[name], err = r.get(ctx, key); err != nil {
				return nil, err
			}
		}
	}
	if h.pvsLeast, err = h.objects[h.pvs[0]].content(); err != nil {
		return nil, err
	}
	if h.nodesLeast, err = h.objects[h.nodes[0]].content(); err != nil {
		return nil, err
	}
	for kind := range h.pvsLeast {
		if !strings.HasPrefix(kind, "PersistentVolume") { // classes come and go in other tests
			delete(h.pvsLeast, kind)
		}
	}
	last := h.objects[h.pvs[2]]
	h.damaged, h.damagedUnder = object{bytes.Clone(last.body), maps.Clone(last.meta)}, h.pvs[2]
	h.damaged.body[len(last.body)/2] ^= 1
	return h, nil
}

// foreign is somebody else's file beside the backups.
const foreign = "home/README.txt"

// lay puts the history below a prefix.
func (r *rig) lay(ctx context.Context, h *history, prefix string) error {
	for name, o := range h.objects {
		if err := r.put(ctx, prefix+name, o); err != nil {
			return err
		}
	}
	return r.put(ctx, prefix+foreign, object{body: []byte("not a backup")})
}
