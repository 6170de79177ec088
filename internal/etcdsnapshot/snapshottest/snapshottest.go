// Package snapshottest makes etcd snapshots, sound ones and damaged ones, without an etcd: with the library that etcd keeps its database
// with, in the form that etcd gives to it.
package snapshottest

import (
	"archive/zip"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"
)

// Options say what is in a snapshot. The zero value is a small one of a k3s cluster without bootstrap data.
type Options struct {
	Passwords []string // of tokens that there is bootstrap data for
	Deleted   []string // of tokens whose bootstrap data was there and was deleted
	Keys      int      // others; 0 is 40
	Value     int      // bytes of each other value; 0 is 200
	PageSize  int      // 0 is 4096
	Freelist  bool     // keep a list of free pages, which etcd does not
	NoKeys    bool     // no bucket "key": not etcd's
}

// Make makes the bytes of a snapshot, with its trailer.
func Make(o Options) ([]byte, error) {
	dir, err := os.MkdirTemp("", "plan-snapshottest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	page := o.PageSize
	if page == 0 {
		page = 4096
	}
	db, err := bbolt.Open(filepath.Join(dir, "db"), 0o600, &bbolt.Options{NoFreelistSync: !o.Freelist, NoSync: true, PageSize: page})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := o.fill(db); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = db.View(func(tx *bbolt.Tx) error {
		_, err := tx.WriteTo(&b)
		return err
	})
	return Seal(b.Bytes()), err
}

// fill writes what etcd would, in many transactions, so that there are free pages.
func (o Options) fill(db *bbolt.DB) error {
	w := &writer{db: db, bucket: []byte("key")}
	if o.NoKeys {
		w.bucket = []byte("other")
	}
	for _, name := range []string{"alarm", "auth", "authUsers", "cluster", "lease", "members", "meta"} {
		if err := db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucketIfNotExists([]byte(name)); return err }); err != nil {
			return err
		}
	}
	for _, password := range append(append([]string{}, o.Deleted...), o.Passwords...) {
		data, err := Bootstrap(password)
		if err != nil {
			return err
		}
		w.put("/bootstrap/"+Hash(password), data)
	}
	for _, password := range o.Deleted {
		w.remove("/bootstrap/" + Hash(password))
	}
	keys, size := o.Keys, o.Value
	if keys == 0 {
		keys = 40
	}
	if size == 0 {
		size = 200
	}
	for i := range keys {
		value := make([]byte, size)
		for at := 0; at < size; at += sha256.Size {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)<<32|uint64(at)))
			copy(value[at:], sum[:])
		}
		w.put(fmt.Sprintf("/registry/configmaps/default/c-%06d", i), value)
	}
	return w.flush()
}

// writer writes revisions, some hundreds to a transaction.
type writer struct {
	db       *bbolt.DB
	bucket   []byte
	revision int64
	pending  [][2][]byte
	err      error
}

func (w *writer) put(key string, value []byte) {
	record := protowire.AppendTag(nil, 1, protowire.BytesType)
	record = protowire.AppendBytes(record, []byte(key))
	record = protowire.AppendTag(record, 2, protowire.VarintType) // create_revision
	record = protowire.AppendVarint(record, uint64(w.revision+1))
	record = protowire.AppendTag(record, 5, protowire.BytesType)
	w.add(protowire.AppendBytes(record, value), "")
}

func (w *writer) remove(key string) {
	w.add(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte(key)), "t")
}

func (w *writer) add(record []byte, mark string) {
	w.revision++
	key := append(binary.BigEndian.AppendUint64(nil, uint64(w.revision)), '_')
	key = append(binary.BigEndian.AppendUint64(key, 0), mark...)
	w.pending = append(w.pending, [2][]byte{key, record})
	const batch = 16
	if len(w.pending) >= batch {
		_ = w.flush() // kept
	}
}

func (w *writer) flush() error {
	if w.err == nil {
		w.err = w.db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists(w.bucket)
			if err != nil {
				return err
			}
			b.FillPercent = 0.9 // as etcd
			for _, p := range w.pending {
				if err := b.Put(p[0], p[1]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	w.pending = nil
	return w.err
}

// Seal appends the trailer to a database.
func Seal(db []byte) []byte {
	sum := sha256.Sum256(db)
	return append(append([]byte{}, db...), sum[:]...)
}

// Hash is the token hash of a password.
func Hash(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])[:12]
}

// Bootstrap is bootstrap data as k3s keeps it, of nothing.
func Bootstrap(password string) ([]byte, error) {
	const salt = "0011223344556677"
	key, err := pbkdf2.Key(sha1.New, password, []byte(salt), 4096, 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	nonce := []byte("twelve bytes")
	sealed := gcm.Seal(nonce, nonce, []byte(`{"ServerCA":{"Timestamp":"2026-01-15T12:00:00Z","Content":"bm9uZQ=="}}`), nil)
	return []byte(salt + ":" + base64.StdEncoding.EncodeToString(sealed)), nil
}

// Zip compresses files into a zip file, as k3s does with one.
func Zip(method uint16, files ...File) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: method})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(f.Data); err != nil {
			return nil, err
		}
	}
	err := z.Close()
	return b.Bytes(), err
}

// ZipSaying is a zip file whose directory says that the one file in it, which has no bytes, unpacks to so many.
func ZipSaying(name string, size uint64) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if _, err := z.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, UncompressedSize64: size}); err != nil {
		return nil, err
	}
	err := z.Close()
	return b.Bytes(), err
}

// File is a file of a zip file.
type File struct {
	Name string
	Data []byte
}
