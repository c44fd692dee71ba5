package main

import (
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A plain is the only way from the program to a terminal or a script: names, labels and errors
// come from AWS's files, from books and from servers, and some of them would move the cursor,
// change colours or turn the order of letters round. What a terminal would act on is written as
// \u001b instead, which is also how JSON writes it, so that a script reads the same text. Line
// breaks and tabs are our own layout and stay.
type plain struct {
	w    io.Writer
	rest []byte // the beginning of a rune whose end is still to come
}

// Write implements io.Writer.
func (p *plain) Write(b []byte) (int, error) {
	n := len(b)
	if len(p.rest) > 0 {
		b = append(p.rest, b...)
		p.rest = nil
	}
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		if !utf8.FullRune(b) {
			p.rest = append([]byte(nil), b...)
			break
		}
		r, size := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && size == 1: // no UTF-8
			out = utf8.AppendRune(out, utf8.RuneError)
		case acts(r):
			for _, u := range utf16.Encode([]rune{r}) {
				out = fmt.Appendf(out, `\u%04x`, u)
			}
		default:
			out = append(out, b[:size]...)
		}
		b = b[size:]
	}
	if _, err := p.w.Write(out); err != nil {
		return 0, err
	}
	return n, nil
}

// acts says that a rune does something to a terminal or to the text around it, rather than being
// shown: controls, and marks that turn the direction of letters or hide. Joiners belong to words
// of several scripts.
func acts(r rune) bool {
	switch r {
	case '\n', '\t', '\u200c', '\u200d':
		return false
	}
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
}
