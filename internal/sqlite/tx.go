package sqlite

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ncruces/go-sqlite3"
)

// Tx is a transaction, for use by the goroutine and within the function it was
// given to. Statements are compiled once a connection, so their text should be a
// constant with parameters.
//
// Parameters are nil, bool, int, int64, float64, string and []byte; a nil []byte
// is NULL. Statements that begin or end transactions, attach files, checkpoint or
// change the connection's settings are refused.
type Tx struct {
	c    *conn
	ctx  context.Context
	over bool

	// lost is the error that made SQLite roll back by itself, or the driver
	// panic. Nothing more can be done then.
	lost error
}

func (tx *Tx) usable(op, sql string) error {
	switch {
	case tx.over:
		return &Error{Op: op, SQL: sql, Path: tx.c.path, Kind: ErrClosed, Err: errors.New("the transaction is over")}
	case tx.lost != nil:
		return tx.lost
	case tx.c.broken != nil:
		return tx.c.broken
	}
	if err := tx.ctx.Err(); err != nil {
		return &Error{Op: op, SQL: sql, Path: tx.c.path, Err: err}
	}
	return nil
}

// do calls the driver on behalf of a statement of the function.
func (tx *Tx) do(op, sql string, f func() error) error {
	err := tx.c.do(tx.ctx, op, sql, f)
	if err != nil && tx.lost == nil && (tx.c.broken != nil || !tx.c.inTransaction()) {
		tx.lost = err
	}
	return err
}

// run prepares, binds and takes the first step.
func (tx *Tx) run(query string, args []any) (s *stmt, row bool, err error) {
	s, err = tx.c.prepare(query)
	if err != nil {
		return nil, false, err
	}
	tx.c.running[s] = true
	if err = tx.c.bind(s, args); err == nil {
		row = s.s.Step()
		err = s.s.Err()
	}
	if err != nil {
		tx.c.release(s)
		return nil, false, err
	}
	return s, row, nil
}

// Exec runs the statement and gives the number of rows that it inserted, changed
// or deleted itself, without those of triggers and foreign keys. Rows that it
// yields are passed over.
func (tx *Tx) Exec(query string, args ...any) (changes int64, err error) {
	if err := tx.usable("exec", query); err != nil {
		return 0, err
	}
	err = tx.do("exec", query, func() error {
		before := tx.c.c.TotalChanges()
		s, row, err := tx.run(query, args)
		if err != nil {
			return err
		}
		defer tx.c.release(s)
		for row {
			row = s.s.Step()
		}
		if err := s.s.Err(); err != nil {
			return err
		}
		// SQLite's count is that of the last statement that had one.
		if !s.reads && tx.c.c.TotalChanges() != before {
			changes = tx.c.c.Changes()
		}
		return nil
	})
	return changes, err
}

// ExecScript runs several statements, without parameters.
func (tx *Tx) ExecScript(script string) error {
	if err := tx.usable("exec", script); err != nil {
		return err
	}
	return tx.do("exec", script, func() error { return tx.c.c.Exec(script) })
}

// Query runs the statement and yields its rows; a Row is valid until the next. An
// error comes last, with a zero Row. Queries may be nested.
func (tx *Tx) Query(query string, args ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := tx.usable("query", query); err != nil {
			yield(Row{}, err)
			return
		}
		var s *stmt
		var row bool
		err := tx.do("query", query, func() (err error) {
			s, row, err = tx.run(query, args)
			return err
		})
		if err != nil {
			yield(Row{}, err)
			return
		}
		defer func() {
			if tx.c.running[s] { // else the transaction is over and has seen to it
				_ = tx.do("query", query, func() error { tx.c.release(s); return nil })
			}
		}()
		for row {
			if !yield(Row{tx: tx, s: s}, nil) {
				return
			}
			if err := tx.usable("query", query); err != nil {
				yield(Row{}, err)
				return
			}
			err := tx.do("query", query, func() error {
				row = s.s.Step()
				return s.s.Err()
			})
			if err != nil {
				yield(Row{}, err)
				return
			}
		}
	}
}

// QueryRow runs the statement, passes its first row to scan, and reports whether
// there was one. Further rows are not asked for.
func (tx *Tx) QueryRow(scan func(Row), query string, args ...any) (found bool, err error) {
	for row, err := range tx.Query(query, args...) {
		if err != nil {
			return false, err
		}
		scan(row)
		found = true
		break
	}
	// A column that could not be fetched shows only now.
	if tx.c.broken != nil {
		return false, tx.c.broken
	}
	return found, nil
}

// LastInsertRowID gives the rowid of the row inserted last on this connection.
func (tx *Tx) LastInsertRowID() (id int64) {
	if tx.usable("ask", "") != nil {
		return 0
	}
	_ = tx.do("ask", "", func() error {
		id = tx.c.c.LastInsertRowID()
		return nil
	})
	return id
}

// end makes the transaction unusable.
func (tx *Tx) end() {
	tx.over = true
	tx.c.resetAll()
}

// Row is the current row of a query. Columns count from 0; asking for one that
// the statement does not have is a mistake and panics. SQLite converts between
// types as it always does; NULL is 0, "", nil or false.
type Row struct {
	tx *Tx
	s  *stmt
}

// get fetches a column. Should the driver panic, the connection is broken, which
// the query, and the transaction, then report.
func (r Row) get(i int, f func(*sqlite3.Stmt)) {
	if i < 0 || i >= r.s.cols {
		panic(fmt.Sprintf("sqlite: column %d of a statement with %d: %s", i, r.s.cols, r.s.sql))
	}
	if r.tx.over || !r.tx.c.running[r.s] {
		panic("sqlite: row used after its query: " + r.s.sql)
	}
	_ = r.tx.do("query", r.s.sql, func() error {
		f(r.s.s)
		return nil
	})
}

// Int64 gives the column as an integer.
func (r Row) Int64(i int) (v int64) {
	r.get(i, func(s *sqlite3.Stmt) { v = s.ColumnInt64(i) })
	return v
}

// Float64 gives the column as a floating-point number.
func (r Row) Float64(i int) (v float64) {
	r.get(i, func(s *sqlite3.Stmt) { v = s.ColumnFloat(i) })
	return v
}

// Bool gives the column as a truth value: any number but 0 is true.
func (r Row) Bool(i int) (v bool) {
	r.get(i, func(s *sqlite3.Stmt) { v = s.ColumnBool(i) })
	return v
}

// Text gives the column as text.
func (r Row) Text(i int) (v string) {
	r.get(i, func(s *sqlite3.Stmt) { v = s.ColumnText(i) })
	return v
}

// Blob gives a copy of the column's bytes; nil for NULL, and for none.
func (r Row) Blob(i int) (v []byte) {
	r.get(i, func(s *sqlite3.Stmt) { v = s.ColumnBlob(i, nil) })
	return v
}

// IsNull reports whether the column is NULL.
func (r Row) IsNull(i int) (v bool) {
	r.get(i, func(s *sqlite3.Stmt) { v = s.ColumnType(i) == sqlite3.NULL })
	return v
}
