// Command fill-files makes a directory of files such as programs have: four fifths of their bytes are text, the rest cannot be
// compressed.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const perFolder = 50

func main() {
	dir := flag.String("dir", "", "where; made")
	n := flag.Int("n", 5000, "files")
	total := flag.Int("mib", 100, "MiB of all files")
	flag.Parse()
	if err := fill(*dir, *n, *total<<20); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// fill makes files from none to twice the average size.
func fill(dir string, n, total int) error {
	source := rand.NewChaCha8([32]byte{})
	random := rand.New(source)
	words := vocabulary(random)
	for i := range n {
		folder := filepath.Join(dir, fmt.Sprintf("package%d", i/perFolder/10), fmt.Sprintf("part%d", i/perFolder%10))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		data := make([]byte, 2*total/n*i/n)
		if i%5 == 0 {
			source.Read(data)
		} else {
			text(data, words, random)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("file%d.txt", i)), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func vocabulary(random *rand.Rand) [][]byte {
	words := make([][]byte, 5000)
	for i := range words {
		word := make([]byte, 2+random.IntN(9), 12)
		for j := range word {
			word[j] = byte('a' + random.IntN(26))
		}
		words[i] = append(word, " \n;(."[random.IntN(5)])
	}
	return words
}

// text fills data with words, the first ones more often.
func text(data []byte, words [][]byte, random *rand.Rand) {
	var b bytes.Buffer
	for b.Len() < len(data) {
		b.Write(words[int(float64(len(words))*random.Float64()*random.Float64()*random.Float64())])
	}
	copy(data, b.Bytes())
}
