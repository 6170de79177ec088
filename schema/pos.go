// Package schema reads YAML strictly, one reading only, and holds it against JSON Schemas. Every problem has its place in the file.
package schema

// Pos is a place in a file. Line and column count from 1, the column in characters; the zero Pos is unknown.
type Pos struct{ Line, Col int }
