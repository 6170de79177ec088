package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// pack packs a directory, and one with files of twice the size for the memory.
func (b *bench) pack(ctx context.Context) error {
	for dir, mib := range map[string]int{"files": b.sizes.packed, "larger": 2 * b.sizes.packed} {
		b.talk("make %d files of %d MiB", b.sizes.files, mib)
		out, err := b.command(ctx, []string{b.path("fill-files"), "-dir", b.path(dir), "-n", fmt.Sprint(b.sizes.files), "-mib", fmt.Sprint(mib)}).CombinedOutput()
		if err != nil {
			return fmt.Errorf("make files: %w\n%s", err, out)
		}
	}
	contestants := []contestant{
		{name: "plan", argv: []string{b.path("pack"), b.path("files")}},
		{name: "floor: archive/tar to /dev/null", argv: []string{b.path("floor-pack"), b.path("files")}},
		{name: "plan, twice the bytes", argv: []string{b.path("pack"), b.path("larger")}},
	}
	pigz, absent := -1, []string(nil)
	if tool := debianTool("pigz", "pigz"); tool != "" {
		pigz = len(contestants)
		b.env = append(b.env, "PATH="+filepath.Dir(tool)+":"+os.Getenv("PATH"))
		contestants = append(contestants, contestant{name: "tar and pigz", argv: []string{"sh", "-c", "tar -C " + b.path("files") + " -cf - . | pigz > " + b.path("files.tar.gz")}})
	} else {
		absent = append(absent, "pigz (so the target that counts is not measured)")
	}
	if _, err := exec.LookPath("zstd"); err == nil {
		contestants = append(contestants, contestant{name: "tar --zstd", argv: []string{"tar", "-C", b.path("files"), "--zstd", "-cf", b.path("files.tar.zst"), "."}})
	} else {
		absent = append(absent, "zstd")
	}
	r, err := b.add(ctx, row{
		title: fmt.Sprintf("Packing %d files, %d MiB", b.sizes.files, b.sizes.packed), rounds: 2 * b.sizes.rounds, base: max(1, pigz),
		note: "plan's packing is in a small program, since a command would also need a cluster. It looks at every name, and into files that may be secrets, " +
			"before it packs, and hashes what it packs and what comes out. All but the floor write to a file.",
	}, contestants)
	if err != nil {
		return err
	}
	r.absent = absent
	r.targets = []target{{"of the memory for half the bytes", r.mebibytes(2) / r.mebibytes(0), 1.1, "%.2f ×"}}
	if pigz > 0 {
		r.targets = append([]target{{"of the time of tar and pigz", r.ratio(0, pigz), 1 / 0.9, "%.2f ×"}}, r.targets...)
	}
	return nil
}

// debianTool is the program on the PATH, or the one of Debian's package that was unpacked into the lab's cache; "" without one.
func debianTool(name, pkg string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	path := filepath.Join(cache, "plan-lab", "debian-"+pkg, "usr", "bin", name)
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}
