package assemble

import (
	"debug/elf"
	"fmt"
)

// machines are what binaries say that they are for.
var machines = map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}

// checkStatic refuses a binary that the image could not run: it has no loader and no libraries.
func checkStatic(binary, arch string) error {
	f, err := elf.Open(binary)
	if err != nil {
		return fmt.Errorf("read binary %s: %w", binary, err)
	}
	defer f.Close()
	if want, ok := machines[arch]; !ok || f.Machine != want {
		return fmt.Errorf("read binary %s: it is for %s, not for %s", binary, f.Machine, arch)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("read binary %s: it is linked dynamically; build it with CGO_ENABLED=0", binary)
		}
	}
	return nil
}
