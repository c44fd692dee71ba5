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
	Hint   string // what to do, where there is something to say
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

// at puts an error into its file.
func at(file string, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		e.File = file
		return e
	}
	return &Error{File: file, Err: err}
}

// atCell is the error of one value, or with row 0 of a column; at adds the file.
func atCell(row int64, column string, err error) error {
	return &Error{Row: row, Column: column, Err: err}
}

// atType is the error of a column that has not the type that it should have; its hint stays.
func atType(column string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Column = column
		return e
	}
	return atCell(0, column, err)
}

// within says where in a column or file an error is.
func within(where string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok {
		e.Err = fmt.Errorf("%s: %w", where, e.Err)
		return e
	}
	return fmt.Errorf("%s: %w", where, err)
}

// firstOf returns the first error that is one: what follows, such as a failure to close, is its
// consequence.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
