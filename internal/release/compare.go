package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// compare tells all files of two folders that are not the same bit for bit. Folders without files are an error: nothing was proved.
func compare(a, b string) error {
	left, err := names(a)
	if err != nil {
		return err
	}
	right, err := names(b)
	if err != nil {
		return err
	}
	if len(left)+len(right) == 0 {
		return errors.New("there are no files")
	}
	var problems []error
	for _, name := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(left, right)))) {
		if !slices.Contains(left, name) || !slices.Contains(right, name) {
			problems = append(problems, fmt.Errorf("%s is in one of them only", name))
			continue
		}
		at, same, err := firstDifference(filepath.Join(a, name), filepath.Join(b, name))
		if err == nil && !same {
			err = fmt.Errorf("%s differs at byte %d", name, at)
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// firstDifference is where two files differ, from 0. The end of the shorter one is a difference.
func firstDifference(a, b string) (at int64, same bool, err error) {
	x, err := os.Open(a)
	if err != nil {
		return 0, false, err
	}
	defer x.Close()
	y, err := os.Open(b)
	if err != nil {
		return 0, false, err
	}
	defer y.Close()
	left, right := bufio.NewReaderSize(x, 1<<16), bufio.NewReaderSize(y, 1<<16)
	for ; ; at++ {
		l, endL := left.ReadByte()
		r, endR := right.ReadByte()
		for _, end := range []error{endL, endR} {
			if end != nil && end != io.EOF {
				return at, false, end
			}
		}
		switch {
		case endL != nil && endR != nil:
			return at, true, nil
		case endL != nil || endR != nil || l != r:
			return at, false, nil
		}
	}
}
