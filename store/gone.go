package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
)

// Gone says that an error means that the database server went away, or could not be reached:
// what was committed stays, what was not never happened, and the command can be run again.
func Gone(err error) bool {
	if err == nil {
		return false
	}
	switch code := pgCode(err); {
	case code == "57P01", code == "57P02", code == "57P03": // shut down, crashed, starting
		return true
	case strings.HasPrefix(code, "08"): // connection exceptions
		return true
	}
	for _, lost := range []error{driver.ErrBadConn, sql.ErrConnDone, net.ErrClosed, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE} {
		if errors.Is(err, lost) {
			return true
		}
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	// The driver has no type for these, and for a stream that ends in the middle of an answer.
	text := err.Error()
	return strings.Contains(text, "conn closed") || strings.Contains(text, "failed to deallocate cached statement") ||
		errors.Is(err, io.ErrUnexpectedEOF) && strings.Contains(text, "unexpected EOF") && pgconn.SafeToRetry(err)
}
