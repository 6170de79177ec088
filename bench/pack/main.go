// Command pack packs a directory as plan does before it carries it to a pod, and throws the archive away.
package main

import (
	"context"
	"fmt"
	"os"

	"plan/internal/source"
)

func main() {
	a, err := source.Pack(context.Background(), os.Args[1], source.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer a.Close()
	fmt.Println(a.Files, "files", a.Unpacked, "bytes", a.Size, "compressed", a.Digest)
}
