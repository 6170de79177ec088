package snapshottest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
)

// Mutation is a snapshot with damage.
type Mutation struct {
	Data []byte
	What string // what was done, for people
	Size bool   // it is longer or shorter than before
	At   int    // the first byte that differs from the original, of those that both have
}

// Mutate damages a snapshot in one of the ways in which files are damaged: bits flip, ends are cut off or added, blocks are swapped, zeroed or
// repeated. The result always differs.
func Mutate(random *rand.Rand, original []byte) Mutation {
	for {
		m := mutate(random, bytes.Clone(original))
		m.Size = len(m.Data) != len(original)
		for m.At < min(len(m.Data), len(original)) && m.Data[m.At] == original[m.At] {
			m.At++
		}
		if !bytes.Equal(m.Data, original) {
			return m
		}
	}
}

func mutate(random *rand.Rand, b []byte) Mutation {
	const sector = 512
	at := random.IntN(len(b))
	// Half of all damage is where it is hardest to see or matters most: at the ends.
	switch random.IntN(4) {
	case 0:
		at = random.IntN(min(len(b), 8192))
	case 1:
		at = len(b) - 1 - random.IntN(min(len(b), 64))
	}
	block := at / sector * sector
	other := random.IntN(len(b)/sector) * sector
	end := min(block+sector, len(b))
	switch random.IntN(8) {
	case 0:
		bit := random.IntN(8)
		b[at] ^= 1 << bit
		return Mutation{Data: b, What: fmt.Sprintf("bit %d of byte %d flipped", bit, at)}
	case 1:
		v := byte(random.IntN(256))
		b[at] = v
		return Mutation{Data: b, What: fmt.Sprintf("byte %d set to %#x", at, v)}
	case 2:
		return Mutation{Data: b[:at], What: fmt.Sprintf("cut at byte %d", at)}
	case 3:
		n := block + 32
		return Mutation{Data: b[:min(n, len(b))], What: fmt.Sprintf("cut at byte %d, a multiple of 512 and 32", n)}
	case 4:
		first, second := bytes.Clone(b[block:end]), bytes.Clone(b[other:other+sector])
		n := min(len(first), len(second))
		copy(b[block:], second[:n])
		copy(b[other:], first[:n])
		return Mutation{Data: b, What: fmt.Sprintf("blocks at %d and %d swapped", block, other)}
	case 5:
		clear(b[block:end])
		return Mutation{Data: b, What: fmt.Sprintf("block at %d zeroed", block)}
	case 6:
		n := 1 + random.IntN(8)
		more := append(bytes.Clone(b[:block]), bytes.Repeat(b[other:other+sector], n)...)
		return Mutation{Data: append(more, b[block:]...), What: fmt.Sprintf("block at %d put in %d times at %d", other, n, block)}
	default:
		n := 1 + random.IntN(2*sector)
		return Mutation{Data: append(b, make([]byte, n)...), What: fmt.Sprintf("%d zero bytes appended", n)}
	}
}
