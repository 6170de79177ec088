// Package backup is the format of a backup, its name in a store, and how it gets there.
//
// A backup is one JSON document, compressed with gzip: a v1 List with one object per line, as the API server gave it but for
// metadata.managedFields, and after the items an index under "backup". It can be read with zcat, grep and jq.
//
// It is compressed into a spool while it is being listed, stored with one conditional PUT, and called stored only after it was
// read back and matched by SHA-256.
package backup
