package cur

import (
	"errors"
	"fmt"
	"strings"
)

// An Error says what is wrong with a file, and where:
//
//	data/part-00003.parquet: row 88213: line_item_unblended_cost: not a number: "1,5"
type Error struct {
	File   string
	Row    int64  // from 1; 0 when it is not about a row
	Column string // empty when it is not about one column
	Err    error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Row > 0 {
		fmt.Fprintf(&b, ": row %d", e.Row)
	}
	if e.Column != "" {
		b.WriteString(": " + e.Column)
	}
	return b.String() + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// at puts an error into its file. Errors that say more than the file already keep what they say.
func at(file string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e.File == "" {
			e.File = file
		}
		return err
	}
	return &Error{File: file, Err: err}
}

// atCell is the error of one value; at adds the file.
func atCell(row int64, column string, err error) error {
	return &Error{Row: row, Column: column, Err: err}
}
