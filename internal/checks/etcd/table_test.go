package etcd_test

import (
	"archive/zip"
	"bytes"
	"strings"
	"testing"
	"time"

	"plan/internal/checks"
	"plan/internal/checks/etcd"
	"plan/internal/etcdsnapshot/snapshottest"
	"plan/internal/kube/kubetest"
	"plan/internal/objectstore/s3test"
	"plan/steps/steptest"
)

// cell is what the four depths find, in order: age, structure, checksum, open. The last one stands for those that are left out.
type cell []string

func (c cell) at(i int) string { return c[min(i, len(c)-1)] }

const (
	ok      = "OK=pass"
	damaged = "DAMAGED=fail"
)

// fault is something wrong, in a world that has a server and a token.
type fault struct {
	make func(w *world, s []byte) // s is a sound snapshot
	want cell
}

func put(age time.Duration, change func([]byte) []byte) func(*world, []byte) {
	return func(w *world, s []byte) {
		w.put("etcd-snapshot-server-1", age, change(bytes.Clone(s)), meta("server-1"))
	}
}

func same(b []byte) []byte { return b }

func zipped(method uint16, files func([]byte) []snapshottest.File) func(*world, []byte) {
	return func(w *world, s []byte) {
		data, err := snapshottest.Zip(method, files(s)...)
		if err != nil {
			panic(err)
		}
		w.bucket.Store(key("etcd-snapshot-server-1", hour)+".zip", s3test.Object{Body: data, Metadata: meta("server-1"), LastModified: steptest.Started.Add(-hour)})
	}
}

func member(change func([]byte) []byte) func([]byte) []snapshottest.File {
	name := strings.TrimPrefix(key("etcd-snapshot-server-1", hour), folder)
	return func(s []byte) []snapshottest.File {
		return []snapshottest.File{{Name: name, Data: change(bytes.Clone(s))}}
	}
}

func flip(at func(int) int) func([]byte) []byte {
	return func(b []byte) []byte { b[at(len(b))] ^= 0x10; return b }
}

func cut(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:len(b)-n] } }

func with(metadata map[string]string) func(*world, []byte) {
	return func(w *world, s []byte) { w.put("etcd-snapshot-server-1", hour, s, metadata) }
}

// broken has a sound snapshot and a fault of the store.
func broken(f s3test.Fault) func(*world, []byte) {
	return func(w *world, s []byte) {
		w.put("etcd-snapshot-server-1", hour, s, meta("server-1"))
		w.bucket.Inject(f)
	}
}

func made(o snapshottest.Options) func(*world, []byte) {
	return func(w *world, _ []byte) {
		data, err := snapshottest.Make(o)
		if err != nil {
			panic(err)
		}
		w.put("etcd-snapshot-server-1", hour, data, meta("server-1"))
	}
}

func snapshotFaults() map[string]fault {
	return map[string]fault{
		"nothing wrong":          {put(hour, same), cell{ok}},
		"nothing wrong, zipped":  {zipped(zip.Deflate, member(same)), cell{ok}},
		"at the limit":           {put(day, same), cell{ok}},
		"too old":                {put(day+time.Second, same), cell{"STALE=fail"}},
		"of the future":          {put(-hour, same), cell{"FUTURE_DATED=fail"}},
		"zero size":              {put(hour, func([]byte) []byte { return nil }), cell{"EMPTY=fail NO_BACKUP=fail"}},
		"cut, unaligned":         {put(hour, cut(777)), cell{damaged}},
		"cut, aligned":           {put(hour, cut(4096)), cell{ok, damaged}},
		"cut, and sealed again":  {put(hour, func(b []byte) []byte { return snapshottest.Seal(b[:len(b)-32-4096]) }), cell{ok, damaged}},
		"grown by a page":        {put(hour, func(b []byte) []byte { return append(b, make([]byte, 4096)...) }), cell{ok, damaged}},
		"no trailer":             {put(hour, cut(32)), cell{damaged}},
		"bit of the header":      {put(hour, flip(func(int) int { return 20 })), cell{ok, damaged}},
		"bit of the 2nd header":  {put(hour, flip(func(int) int { return 4096 + 60 })), cell{ok, damaged}},
		"bit of the data":        {put(hour, flip(func(n int) int { return n / 2 })), cell{ok, ok, damaged}},
		"bit of the trailer":     {put(hour, flip(func(n int) int { return n - 1 })), cell{ok, ok, damaged}},
		"data sealed again":      {put(hour, func(b []byte) []byte { clear(b[8192 : len(b)-32]); return snapshottest.Seal(b[:len(b)-32]) }), cell{ok, ok, ok, damaged}},
		"not etcd's":             {made(snapshottest.Options{NoKeys: true}), cell{ok, ok, ok, damaged}},
		"a login page":           {put(hour, func([]byte) []byte { return []byte("<html>please log in</html>") }), cell{damaged}},
		"no bootstrap data":      {made(snapshottest.Options{}), cell{ok, ok, ok, "NO_BOOTSTRAP=fail"}},
		"bootstrap data deleted": {made(snapshottest.Options{Deleted: []string{password}}), cell{ok, ok, ok, "NO_BOOTSTRAP=fail"}},
		"zip, cut":               {zipped(zip.Deflate, member(cut(4096))), cell{ok, damaged}},
		"zip, bit of the data":   {zipped(zip.Deflate, member(flip(func(n int) int { return n / 2 }))), cell{ok, ok, damaged}},
		"zip, stored, bit":       {zipped(zip.Store, member(flip(func(n int) int { return n / 2 }))), cell{ok, ok, damaged}},
		"zip of nothing":         {zipped(zip.Deflate, func([]byte) []snapshottest.File { return nil }), cell{ok, damaged}},
		"zip of two":             {zipped(zip.Deflate, func(s []byte) []snapshottest.File { return append(member(same)(s), snapshottest.File{Name: "x"}) }), cell{ok, damaged}},
		"zip of another name":    {zipped(zip.Deflate, func(s []byte) []snapshottest.File { return []snapshottest.File{{Name: "x-1", Data: s}} }), cell{ok, damaged}},
		"no zip": {func(w *world, s []byte) {
			w.bucket.Store(key("etcd-snapshot-server-1", hour)+".zip", s3test.Object{Body: s, Metadata: meta("server-1"), LastModified: steptest.Started})
		}, cell{ok, damaged}},
	}
}

func metadataFaults() map[string]fault {
	no := func(name string) map[string]string { m := meta("server-1"); delete(m, name); return m }
	is := func(name, value string) map[string]string { m := meta("server-1"); m[name] = value; return m }
	rke2 := map[string]string{"rke2-cluster-id": kubetest.UID, "rke2-node-name": "server-1", "rke2-token-hash": snapshottest.Hash(password)}
	elsewhere := map[string]string{"k3s-cluster-id": other, "k3s-token-hash": snapshottest.Hash(password)}
	return map[string]fault{
		"RKE2":            {with(rke2), cell{ok}},
		"another cluster": {with(elsewhere), cell{"OTHER_CLUSTER=fail"}},
		"no metadata":     {with(nil), cell{"NO_METADATA=unknown"}},
		"no cluster id":   {with(no("k3s-cluster-id")), cell{"NO_METADATA=unknown"}},
		"no token hash":   {with(no("k3s-token-hash")), cell{"NO_METADATA=unknown", "NO_METADATA=unknown", "NO_METADATA=unknown", ok}},
		"another token, by the metadata": {with(is("k3s-token-hash", "0123456789ab")), cell{"TOKEN_MISMATCH=fail", "TOKEN_MISMATCH=fail", "TOKEN_MISMATCH=fail",
			"NO_BOOTSTRAP=fail TOKEN_MISMATCH=fail"}},
		"another token, by the content": {func(w *world, _ []byte) {
			data, err := snapshottest.Make(snapshottest.Options{Passwords: []string{"another"}})
			if err != nil {
				panic(err)
			}
			w.put("etcd-snapshot-server-1", hour, data, no("k3s-token-hash"))
		}, cell{"NO_METADATA=unknown", "NO_METADATA=unknown", "NO_METADATA=unknown", "TOKEN_MISMATCH=fail"}},
	}
}

func listingFaults() map[string]fault {
	return map[string]fault{
		"empty bucket": {func(*world, []byte) {}, cell{"NO_BACKUP=fail"}},
		"foreign only": {func(w *world, s []byte) {
			w.bucket.Store(folder+"README.md", s3test.Object{Body: s, LastModified: steptest.Started})
		}, cell{"NO_BACKUP=fail"}},
		"sidecars only": {func(w *world, s []byte) {
			w.bucket.Store(folder+".metadata/etcd-snapshot-server-1-1772409600", s3test.Object{Body: s, LastModified: steptest.Started})
		}, cell{"NO_BACKUP=fail"}},
		"nested only": {func(w *world, s []byte) {
			w.bucket.Store(folder+"x/etcd-snapshot-server-1-1772409600", s3test.Object{Body: s, LastModified: steptest.Started})
		}, cell{"NO_BACKUP=fail"}},
		"another prefix": {func(w *world, s []byte) {
			w.bucket.Store("k3s-etcd-snapshots-2/etcd-snapshot-server-1-1772409600", s3test.Object{Body: s, LastModified: steptest.Started})
		}, cell{"NO_BACKUP=fail"}},
		"denied":         {broken(s3test.Fault{Effect: s3test.AccessDenied, Op: s3test.List}), cell{"NOT_ALLOWED=unknown"}},
		"no bucket":      {broken(s3test.Fault{Effect: s3test.NoSuchBucket, Op: s3test.List}), cell{"NO_STORE=unknown"}},
		"cut listing":    {broken(s3test.Fault{Effect: s3test.CutBody, Op: s3test.List}), cell{"UNREACHABLE=unknown"}},
		"half a listing": {broken(s3test.Fault{Effect: s3test.NoToken, Op: s3test.List}), cell{"UNREACHABLE=unknown"}},
		"no listing":     {broken(s3test.Fault{Effect: s3test.ForeignBody, Op: s3test.List}), cell{"UNREACHABLE=unknown"}},
		"busy":           {broken(s3test.Fault{Effect: s3test.SlowDown, Op: s3test.List}), cell{"UNREACHABLE=unknown"}},
		"HEAD denied":    {broken(s3test.Fault{Effect: s3test.AccessDenied, Op: s3test.Head}), cell{"NOT_ALLOWED=unknown"}},
		"HEAD broken":    {broken(s3test.Fault{Effect: s3test.ResetBefore, Op: s3test.Head}), cell{"UNREACHABLE=unknown"}},
		"GET denied":     {broken(s3test.Fault{Effect: s3test.AccessDenied, Op: s3test.Get}), cell{ok, "NOT_ALLOWED=unknown"}},
		"cut body":       {broken(s3test.Fault{Effect: s3test.CutBody, Op: s3test.Get}), cell{ok, "UNREACHABLE=unknown"}},
		"GET broken":     {broken(s3test.Fault{Effect: s3test.ResetBefore, Op: s3test.Get}), cell{ok, "UNREACHABLE=unknown"}},
	}
}

// TestEveryFaultAtEveryDepth is the truth table: the findings that count, each with its verdict. No error of the store reads as a pass, as
// no backup or as damage.
func TestEveryFaultAtEveryDepth(t *testing.T) {
	s := sound(t)
	for group, faults := range map[string]map[string]fault{"snapshot": snapshotFaults(), "metadata": metadataFaults(), "listing": listingFaults()} {
		for name, f := range faults {
			for i, depth := range []string{"age", "structure", "checksum", "open"} {
				t.Run(group+"/"+name+"/"+depth, func(t *testing.T) {
					w := newWorld(t, server("server-1"))
					f.make(w, s)
					o := w.must(t, func(c *etcd.Check) { withToken(c); c.Depth = depth })
					if got := names(o, false); got != f.want.at(i) {
						t.Errorf("%s, not %s: %s", got, f.want.at(i), o.Reason())
					}
					want := checks.Pass
					for _, v := range []checks.Verdict{checks.Unknown, checks.Fail} {
						if strings.Contains(f.want.at(i), "="+string(v)) {
							want = v
						}
					}
					if o.Verdict() != want {
						t.Errorf("the verdict is %s, not %s", o.Verdict(), want)
					}
					if _, told := o.Outputs["snapshots"]; told != (group != "listing" || !strings.Contains(f.want.at(i), "=unknown") || strings.HasPrefix(name, "HEAD") || strings.HasPrefix(name, "GET") || name == "cut body") {
						t.Errorf("outputs %v", o.Outputs)
					}
				})
			}
		}
	}
}
