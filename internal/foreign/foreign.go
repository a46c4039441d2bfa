// Package foreign reads the SQLite files of other programs and leaves them as they
// are, to the byte, with what lies beside them.
//
// A database that a program was killed on has a hot journal or a write-ahead log
// beside it, and whoever opens it in the ordinary way recovers it, which writes. So
// [Open] never opens the file: it copies the file, its journal and its log into a
// private directory, as they were at one instant, and reads the copy. The other
// program may go on writing meanwhile.
//
// What is read is hostile: only ordinary tables are, never views or virtual tables,
// and no value is larger than [MaxValue].
package foreign

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/atocore/atocore/internal/sqlite"
)

// The classes of failure that callers tell apart.
var (
	ErrNotADatabase = sqlite.ErrNotADatabase
	ErrBusy         = sqlite.ErrBusy
	ErrCorrupt      = sqlite.ErrCorrupt
)

// MaxValue bounds a value that is read, in bytes. [Row.TooLong] tells of larger ones.
const MaxValue = 16 << 20

// Options configures Open. A nil *Options consists entirely of default values.
type Options struct {
	TempDir      string // where the copy is made; empty is the system's place
	CompileCache string // as for [sqlite.Config.CacheDir]
	Logger       *slog.Logger

	copied func() // for tests: called between the two readings of a copy
}

// A DB is a copy of another program's database.
type DB struct {
	db   *sqlite.DB
	dir  string
	path string // of what it is a copy of
}

// Open copies the database at path and opens the copy. Close removes it.
//
// Errors: [fs.ErrNotExist]; [sqlite.ErrNotADatabase]; [sqlite.ErrBusy] where
// somebody wrote during every attempt to copy; [sqlite.ErrFull] where there is no
// space for the copy.
func Open(ctx context.Context, path string, o *Options) (_ *DB, err error) {
	if o == nil {
		o = &Options{}
	}
	dir, err := os.MkdirTemp(o.TempDir, "atocore-import-") // 0700
	if err != nil {
		return nil, sqlite.FileError("copy", o.TempDir, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	copied := filepath.Join(dir, "copy.db")
	if err := snapshot(ctx, path, []string{"", "-journal", "-wal"}, copied, o.copied); err != nil {
		return nil, err
	}
	if err := checkHeader(copied, path); err != nil {
		return nil, err
	}
	if err := disarm(copied + "-journal"); err != nil {
		return nil, err
	}
	db, err := sqlite.OpenForeign(ctx, sqlite.Config{Path: copied, CacheDir: o.CompileCache, Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	return &DB{db: db, dir: dir, path: path}, nil
}

// checkHeader tells a file of another kind before SQLite sees it, and by its own
// name.
func checkHeader(copied, path string) error {
	f, err := os.Open(copied)
	if err != nil {
		return err
	}
	defer f.Close()
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	if n, _ := f.Read(head); string(head[:n]) != magic {
		return &sqlite.Error{Op: "open", Path: path, Kind: sqlite.ErrNotADatabase}
	}
	return nil
}

// Close removes the copy.
func (d *DB) Close() error {
	return errors.Join(d.db.Close(), os.RemoveAll(d.dir))
}

// View runs fn on one consistent view of the database.
func (d *DB) View(ctx context.Context, fn func(*View) error) error {
	err := d.db.Read(ctx, func(tx *sqlite.Tx) error {
		v := &View{tx: tx, columns: map[string][]string{}}
		for r, err := range tx.Query(`SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name`) {
			if err != nil {
				return err
			}
			v.tables = append(v.tables, r.Text(0))
		}
		return fn(v)
	})
	if e, ok := err.(*sqlite.Error); ok { //nolint:errorlint // one that is wrapped says more than its path
		e.Path = d.path // the copy is nobody's concern
	}
	return err
}

// A View is what DB.View gives, for use within its function.
type View struct {
	tx      *sqlite.Tx
	tables  []string
	columns map[string][]string // of the tables that were asked for
}

// Has reports whether there is an ordinary table of that name.
func (v *View) Has(table string) bool { return slices.Contains(v.tables, table) }

// A MissingError is a table or column that is not there. It says what is.
type MissingError struct {
	Table  string
	Column string   // empty: the table itself
	Found  []string // the tables, or the table's columns
}

func (e *MissingError) Error() string {
	what := "table " + e.Table
	if e.Column != "" {
		what = "column " + e.Column + " of table " + e.Table
	}
	found := "none"
	if len(e.Found) > 0 {
		found = strings.Join(e.Found[:min(len(e.Found), 12)], ", ")
		if more := len(e.Found) - 12; more > 0 {
			found += fmt.Sprintf(" and %d more", more)
		}
	}
	return what + " is missing, found " + found
}

// A Table says what to read: of Name, the columns Need, which have to be there, and
// Want, which are NULL where they are not, ordered by Order.
type Table struct {
	Name  string
	Need  []string
	Want  []string
	Where []string // columns of Need that have to equal the values given to Rows
	Order []string // columns of Need, or "rowid"; together unique
}

// rowID stands for the order in which rows were inserted.
const rowID = "rowid"

// Check reports what of the tables is missing, as a *MissingError.
func (v *View) Check(tables ...Table) error {
	for _, t := range tables {
		if !v.Has(t.Name) {
			return &MissingError{Table: t.Name, Found: v.tables}
		}
		has, err := v.columnsOf(t.Name)
		if err != nil {
			return err
		}
		for _, c := range t.Need {
			if !slices.Contains(has, c) {
				return &MissingError{Table: t.Name, Column: c, Found: has}
			}
		}
	}
	return nil
}

// columnsOf lists the columns that are stored. Those that the schema computes could
// compute anything.
func (v *View) columnsOf(table string) ([]string, error) {
	if has, known := v.columns[table]; known {
		return has, nil
	}
	has := []string{}
	for r, err := range v.tx.Query(`PRAGMA table_xinfo(` + quote(table) + `)`) {
		if err != nil {
			return nil, err
		}
		if r.Int64(6) == 0 {
			has = append(has, r.Text(1))
		}
	}
	v.columns[table] = has
	return has, nil
}

// Rows yields the rows of a table, a value for each of t.Where given. A Row is valid
// until the next. Listings can be nested.
func (v *View) Rows(t Table, equal ...any) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		if err := v.Check(t); err != nil {
			yield(Row{}, err)
			return
		}
		has := v.columns[t.Name]
		row := Row{at: map[string]int{}}
		var list []string
		for _, c := range slices.Concat(t.Need, t.Want) {
			if _, twice := row.at[c]; twice || !slices.Contains(has, c) {
				continue
			}
			row.at[c] = len(row.names)
			row.names = append(row.names, c)
			q := quote(c)
			// The length of a value is known without reading it.
			list = append(list, fmt.Sprintf(`CASE WHEN octet_length(%s) <= %d THEN %s END`, q, MaxValue, q), `octet_length(`+q+`)`)
		}
		query := `SELECT ` + strings.Join(list, ", ") + ` FROM ` + quote(t.Name)
		for i, c := range t.Where {
			query += []string{` WHERE `, ` AND `}[min(i, 1)] + quote(c) + ` = ?`
		}
		for i, c := range t.Order {
			by := quote(c)
			if c == rowID {
				by = rowID
			}
			query += []string{` ORDER BY `, `, `}[min(i, 1)] + by
		}
		row.values = make([]any, len(list))
		var last any
		for r, err := range v.tx.Query(query, equal...) {
			if err != nil {
				yield(Row{}, err)
				return
			}
			r.Values(row.values)
			// Pages of a damaged file can stand under each other for ever.
			if last, err = inOrder(t, row, last); err != nil {
				yield(Row{}, err)
				return
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// inOrder refuses a row whose number is not larger than the last one's.
func inOrder(t Table, row Row, last any) (any, error) {
	if len(t.Order) != 1 {
		return nil, nil
	}
	now := row.value(t.Order[0])
	n, isNumber := now.(int64)
	before, wasNumber := last.(int64)
	if isNumber && wasNumber && n <= before {
		return nil, &sqlite.Error{
			Op: "read", Kind: sqlite.ErrCorrupt,
			Err: fmt.Errorf("in table %s row %d comes after row %d", t.Name, n, before),
		}
	}
	return now, nil
}

// quote makes an SQL identifier of any name.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// A Row is a row of a table. A column that was not asked for, is not there or is
// NULL is empty.
type Row struct {
	names  []string
	at     map[string]int
	values []any // value and length by turns
}

func (r Row) value(column string) any {
	i, ok := r.at[column]
	if !ok {
		return nil
	}
	return r.values[2*i]
}

// IsNull reports whether the column is NULL, or not there.
func (r Row) IsNull(column string) bool { return r.value(column) == nil }

// TooLong names the first column whose value is larger than MaxValue, and how large
// it is; "" where there is none.
func (r Row) TooLong() (column string, size int64) {
	for i, name := range r.names {
		if n, _ := r.values[2*i+1].(int64); n > MaxValue {
			return name, n
		}
	}
	return "", 0
}

// Text gives the column as text, whatever its type. It is UTF-8: bytes that are not
// become U+FFFD.
func (r Row) Text(column string) string {
	switch v := r.value(column).(type) {
	case string:
		return valid(v)
	case []byte:
		return valid(string(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return ""
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Int gives the column as an integer: a number, the digits of a text, or the bytes
// of a blob, most significant first. Anything else is 0.
func (r Row) Int(column string) int64 {
	switch v := r.value(column).(type) {
	case int64:
		return v
	case float64:
		if v >= -1<<62 && v <= 1<<62 {
			return int64(v)
		}
	case string:
		n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		return n
	case []byte:
		var n int64
		for _, b := range v[max(0, len(v)-8):] {
			n = n<<8 | int64(b)
		}
		return n
	}
	return 0
}

// Float gives the column as a floating-point number; 0 where it is none.
func (r Row) Float(column string) float64 {
	switch v := r.value(column).(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}
