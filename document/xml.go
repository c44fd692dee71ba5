package document

import (
	"bytes"
	"strings"
)

// An xmlWriter writes elements in the order they are called, indented. Every text is cleaned and
// escaped; empty texts make no element, since EN 16931 forbids empty ones.
type xmlWriter struct {
	buf   bytes.Buffer
	stack []string
}

func newXML(root string, attributes ...string) *xmlWriter {
	w := &xmlWriter{}
	w.buf.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n")
	w.open(root, attributes...)
	return w
}

// open starts an element; attributes are names and values in turn.
func (w *xmlWriter) open(element string, attributes ...string) {
	w.tag(element, attributes)
	w.buf.WriteByte('\n')
	w.stack = append(w.stack, element)
}

// close ends the last n open elements.
func (w *xmlWriter) close(n int) {
	for range n {
		element := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		w.indent()
		w.buf.WriteString("</" + element + ">\n")
	}
}

// text writes an element with a text, unless the text is empty.
func (w *xmlWriter) text(element, text string, attributes ...string) {
	text = clean(text)
	if text == "" {
		return
	}
	w.tag(element, attributes)
	xmlEscaper.WriteString(&w.buf, text) //nolint:errcheck // a bytes.Buffer does not fail
	w.buf.WriteString("</" + element + ">\n")
}

func (w *xmlWriter) tag(element string, attributes []string) {
	w.indent()
	w.buf.WriteString("<" + element)
	for i := 0; i+1 < len(attributes); i += 2 {
		w.buf.WriteString(" " + attributes[i] + `="` + xmlEscaper.Replace(clean(attributes[i+1])) + `"`)
	}
	w.buf.WriteByte('>')
}

func (w *xmlWriter) indent() {
	for range w.stack {
		w.buf.WriteString("  ")
	}
}

// bytes ends all open elements and returns the document.
func (w *xmlWriter) bytes() []byte {
	w.close(len(w.stack))
	return w.buf.Bytes()
}

var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")
