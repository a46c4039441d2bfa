package sqlite

import (
	"fmt"

	"github.com/ncruces/go-sqlite3"
)

// Values puts the first columns of the row, as many as dest has places, into dest,
// each as it is stored: nil, int64, float64, string or []byte. The bytes are valid
// until the next row. It is several times as fast as asking for each.
func (r Row) Values(dest []any) {
	if len(dest) > r.s.cols {
		panic(fmt.Sprintf("sqlite: %d values of a statement with %d columns: %s", len(dest), r.s.cols, r.s.sql))
	}
	r.get(0, func(s *sqlite3.Stmt) {
		if err := s.Columns(dest...); err != nil {
			r.tx.lost = err
		}
	})
}

// FileError classes an error of the operating system about a file beside the
// database as this package's own are: ErrFull, ErrReadOnly.
func FileError(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Path: path, Kind: fileKind(err), Err: err}
}
