package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

const pruneStep = `
    - id: prune
      uses: prune
      with: {artefact: pvs, prefix: %s, keep: {last: 1}, maxDelete: %d}
`

// TestPruneLeavesOtherClusters: a cluster's name may be the beginning of another's.
func TestPruneLeavesOtherClusters(t *testing.T) {
	r := theLab(t)
	p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
	backup := fmt.Sprintf(pvsStep, "shared")
	var mine []string
	for _, cluster := range []string{"k3s-prod", "k3s", "k3s-prod", "k3s", "k3s.two", "k3s"} {
		tick()
		doc := p.must(t, 0, "apply", p.write(t, "plan.yaml", r.planText("{name: "+cluster+"}", backup)), "-o", "json").json(t)
		if cluster == "k3s" {
			mine = append(mine, doc.step(t, "pvs").text(t, "key"))
		}
	}
	// What is under a folder of the cluster's, or was made by hand, is nobody's to prune.
	body, meta := r.object(t, mine[0])
	for _, key := range []string{"shared/k3s/archive/" + baseName(mine[0]), "shared/k3s/pvs-20200101-000000-00000000.json.gz.bak", "shared/" + baseName(mine[0])} {
		if err := r.put(t.Context(), key, body, meta); err != nil {
			t.Fatal(err)
		}
	}
	want := slices.DeleteFunc(r.names(t, "shared/"), func(key string) bool { return slices.Contains(mine[:2], key) })
	before := r.world(t)
	p.must(t, 1, "apply", p.write(t, "plan.yaml", r.planText("{name: k3s}", fmt.Sprintf(pruneStep, "shared", 1)))).says(t, "maxDelete", "2")
	r.unchanged(t, before)
	doc := p.must(t, 0, "apply", p.write(t, "plan.yaml", r.planText("{name: k3s}", fmt.Sprintf(pruneStep, "shared", 50))), "-o", "json").json(t)
	if got := doc.step(t, "prune").list(t, "deleted"); !sameSet(got, mine[:2]) {
		t.Errorf("it says it deleted %q, want %q", got, mine[:2])
	}
	if n := doc.step(t, "prune").number(t, "kept"); n != 1 {
		t.Errorf("it says it kept %d", n)
	}
	if got := r.names(t, "shared/"); !slices.Equal(got, want) {
		t.Errorf("left are\n%q, want\n%q", got, want)
	}
}

func baseName(key string) string { return key[len(key)-len("pvs-20060102-150405-01234567.json.gz"):] }

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// TestPruneIsComplete: a listing has pages of a thousand keys.
func TestPruneIsComplete(t *testing.T) {
	t.Parallel()
	r := theLab(t)
	const old = 1050
	p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
	file := p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "many")))
	key := p.must(t, 0, "apply", file, "-o", "json").json(t).step(t, "pvs").text(t, "key")
	body, meta := r.object(t, key)
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(32)
	for i := range old {
		at := time.Date(2023, 1, 1, 2, 0, 0, 0, time.UTC).AddDate(0, 0, i)
		g.Go(func() error {
			return r.put(ctx, "many/home/pvs-"+at.Format("20060102-150405")+fmt.Sprintf("-%08x.json.gz", i), body, meta)
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	doc := p.must(t, 0, "apply", p.write(t, "all.yaml", r.planText("{name: home}", fmt.Sprintf(pruneStep, "many", 5000))), "-o", "json").json(t)
	if n := len(doc.step(t, "prune").list(t, "deleted")); n != old {
		t.Errorf("it says it deleted %d", n)
	}
	r.isStored(t, "many", key)
}

// TestPruneKeepsWhatItCannotReplace: the newest backup is damaged, so nothing is deleted.
func TestPruneKeepsWhatItCannotReplace(t *testing.T) {
	r := theLab(t)
	p := r.program(t, keysOf(r.S3.AccessKey, r.S3.SecretKey)...)
	file := p.write(t, "plan.yaml", r.planText("{name: home}", fmt.Sprintf(pvsStep, "damaged")))
	p.must(t, 0, "apply", file)
	key := p.must(t, 0, "apply", file, "-o", "json").json(t).step(t, "pvs").text(t, "key")
	body, meta := r.object(t, key)
	newest := "damaged/home/pvs-" + time.Now().UTC().Add(time.Minute).Format("20060102-150405") + "-ffffffff.json.gz"
	body[len(body)/2] ^= 1
	if err := r.put(t.Context(), newest, body, meta); err != nil {
		t.Fatal(err)
	}
	before := r.world(t)
	got := p.must(t, 1, "apply", p.write(t, "prune.yaml", r.planText("{name: home}", fmt.Sprintf(pruneStep, "damaged", 50))))
	got.says(t, newest)
	r.unchanged(t, before)
}
