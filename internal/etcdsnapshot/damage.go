package etcdsnapshot

import (
	"errors"
	"fmt"
)

// ErrDamaged says that the bytes of a snapshot are not those that etcd wrote. What wraps it tells what is wrong. All other errors say that
// the bytes could not be looked at.
var ErrDamaged = errors.New("damaged")

// ErrChanged says that an object is not the one that was listed any more.
var ErrChanged = errors.New("it was replaced while it was looked at")

// MaxOpen is how many bytes of a database Open takes: etcd's own maximum (etcd.io/docs, limits: 8 GiB). A small zip file may say that it
// holds any number.
const MaxOpen = 8 << 30

// ErrTooLarge says that a snapshot holds more than MaxOpen. Nothing is known of it.
var ErrTooLarge = errors.New("too large to open")

// notOver refuses a size.
func notOver(size, most int64) error {
	if most > 0 && size-trailerLen > most {
		return fmt.Errorf("%w: it holds %d bytes, and etcd supports no database over %d", ErrTooLarge, size-trailerLen, most)
	}
	return nil
}

// damage makes an error that is ErrDamaged.
func damage(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrDamaged, fmt.Errorf(format, args...))
}

// Progress is told how far a long piece of work is; total is 0 when it is not known.
type Progress func(what string, done, total int64, unit string)

func (p Progress) tell(what string, done, total int64, unit string) {
	if p != nil {
		p(what, done, total, unit)
	}
}
