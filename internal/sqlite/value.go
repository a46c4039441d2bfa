package sqlite

import "github.com/ncruces/go-sqlite3"

// Type is the type of a value as it is stored.
type Type uint8

// The storage classes of SQLite.
const (
	Null Type = iota
	Integer
	Float
	Text
	Blob
)

// Type tells how the column's value is stored.
func (r Row) Type(i int) (t Type) {
	r.get(i, func(s *sqlite3.Stmt) {
		switch s.ColumnType(i) {
		case sqlite3.INTEGER:
			t = Integer
		case sqlite3.FLOAT:
			t = Float
		case sqlite3.TEXT:
			t = Text
		case sqlite3.BLOB:
			t = Blob
		case sqlite3.NULL:
			t = Null
		}
	})
	return t
}

// FileError classes an error of the operating system about a file beside the
// database as this package's own are: ErrFull, ErrReadOnly.
func FileError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Path: path, Kind: fileKind(err), Err: err}
}
