package store

import (
	"errors"
	"fmt"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite" // registers the driver "sqlite", too
	sqlite3 "modernc.org/sqlite/lib"
)

// dialect holds everything that differs between the two databases. All other SQL
// in this module is one text for both.
type dialect struct {
	name string
	// words replaces {{word}} in migrations and in Exec and Select.
	words *strings.Replacer
	// columns lists the columns of table $1.
	columns string
}

// Text compares by bytes in both, so that cursors and prefixes mean the same.
var (
	sqliteDialect = &dialect{
		name: "sqlite3",
		words: strings.NewReplacer(
			"{{text}}", "TEXT", "{{bytes}}", "BLOB",
			"{{serial}}", "INTEGER PRIMARY KEY AUTOINCREMENT",
			"{{xid}}", "0", "{{fence}}", "1",
		),
		columns: `SELECT name FROM pragma_table_info($1)`,
	}
	postgresDialect = &dialect{
		name: "postgres",
		words: strings.NewReplacer(
			"{{text}}", `TEXT COLLATE "C"`, "{{bytes}}", "BYTEA",
			"{{serial}}", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
			// The transaction's number, and the number below which none is open.
			"{{xid}}", "pg_current_xact_id()::text::bigint",
			"{{fence}}", "pg_snapshot_xmin(pg_current_snapshot())::text::bigint",
		),
		columns: `SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1`,
	}
)

func (d *dialect) sql(text string) string {
	if !strings.Contains(text, "{{") {
		return text
	}
	return d.words.Replace(text)
}

// isRetryable tells a PostgreSQL serialization failure or deadlock: the whole
// transaction is run again.
func isRetryable(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "40001" || e.Code == "40P01")
}

// full marks a database's error that its disk has no room as the one that a file's has.
func full(err error) error {
	onSQLite, is := errors.AsType[*sqlite.Error](err)
	is = is && (onSQLite.Code() == sqlite3.SQLITE_FULL || onSQLite.Code() == sqlite3.SQLITE_IOERR_SHMSIZE)
	if onPostgres, ok := errors.AsType[*pgconn.PgError](err); ok {
		is = onPostgres.Code == "53100"
	}
	if !is {
		return err
	}
	return fmt.Errorf("%w: %w", syscall.ENOSPC, err)
}
