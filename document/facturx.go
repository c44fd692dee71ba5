package document

import (
	"bytes"
	"crypto/md5" //nolint:gosec // PDF's file identifier and checksum are MD5 by definition
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/arrears-billing/arrears/invoice"
)

// sRGB is the colour profile of the output intent: "sRGB2014", by the International Color
// Consortium, which allows its redistribution (icc/LICENSE).
//
//go:embed icc/sRGB2014.icc
var sRGB []byte

// facturFile is the name that Factur-X prescribes for the XML.
const facturFile = "factur-x.xml"

// xmp returns the metadata that make a PDF a PDF/A-3b and a Factur-X, profile EN 16931.
func xmp(d invoice.Document, at time.Time) []byte {
	heading := xmlEscaper.Replace(shown(title(d) + " " + name(d)))
	author := xmlEscaper.Replace(shown(d.Seller.Name))
	stamp := at.Format("2006-01-02T15:04:05Z")
	return []byte(`<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
   <pdfaid:part>3</pdfaid:part>
   <pdfaid:conformance>B</pdfaid:conformance>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
   <dc:format>application/pdf</dc:format>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">` + heading + `</rdf:li></rdf:Alt></dc:title>
   <dc:creator><rdf:Seq><rdf:li>` + author + `</rdf:li></rdf:Seq></dc:creator>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:pdf="http://ns.adobe.com/pdf/1.3/">
   <pdf:Producer>arrears</pdf:Producer>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
   <xmp:CreateDate>` + stamp + `</xmp:CreateDate>
   <xmp:ModifyDate>` + stamp + `</xmp:ModifyDate>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/" xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
   <pdfaExtension:schemas>
    <rdf:Bag>
     <rdf:li rdf:parseType="Resource">
      <pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>
      <pdfaSchema:namespaceURI>urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#</pdfaSchema:namespaceURI>
      <pdfaSchema:prefix>fx</pdfaSchema:prefix>
      <pdfaSchema:property>
       <rdf:Seq>
` + xmpProperty("DocumentFileName", "The name of the embedded XML document") +
		xmpProperty("DocumentType", "The type of the hybrid document in capital letters, e.g. INVOICE or ORDER") +
		xmpProperty("Version", "The actual version of the standard applying to the embedded XML document") +
		xmpProperty("ConformanceLevel", "The conformance level of the embedded XML document") + `       </rdf:Seq>
      </pdfaSchema:property>
     </rdf:li>
    </rdf:Bag>
   </pdfaExtension:schemas>
  </rdf:Description>
  <rdf:Description rdf:about="" xmlns:fx="urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#">
   <fx:DocumentType>INVOICE</fx:DocumentType>
   <fx:DocumentFileName>` + facturFile + `</fx:DocumentFileName>
   <fx:Version>1.0</fx:Version>
   <fx:ConformanceLevel>EN 16931</fx:ConformanceLevel>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>`)
}

func xmpProperty(name, description string) string {
	return `        <rdf:li rdf:parseType="Resource">
         <pdfaProperty:name>` + name + `</pdfaProperty:name>
         <pdfaProperty:valueType>Text</pdfaProperty:valueType>
         <pdfaProperty:category>external</pdfaProperty:category>
         <pdfaProperty:description>` + description + `</pdfaProperty:description>
        </rdf:li>
`
}

// attach adds the XML to a finished PDF as an associated file and gives the file its identifier:
// what PDF/A-3 wants and the PDF library does not write (AFRelationship, AF, a file name in F, the
// MIME type and date of the embedded file, ID). The library writes the catalog last, right before
// the cross-reference table; both are written anew.
func attach(pdf, xml []byte, at time.Time) ([]byte, error) {
	offsets, root, err := crossReferences(pdf)
	if err != nil {
		return nil, fmt.Errorf("attach %s: %w", facturFile, err)
	}
	start := offsets[root]
	catalog, _, ok := strings.Cut(string(pdf[start:]), "endobj")
	_, entries, ok2 := strings.Cut(catalog, "<<")
	names := strings.Index(entries, "/Names <<")
	if !ok || !ok2 || names < 0 {
		return nil, fmt.Errorf("attach %s: no catalog at %d", facturFile, start)
	}
	entries = entries[:names]

	var out bytes.Buffer
	out.Write(pdf[:start])
	object := func(n int) {
		for len(offsets) <= n {
			offsets = append(offsets, 0)
		}
		offsets[n] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n", n)
	}
	file, spec := root+1, root+2
	stamp := at.Format("D:20060102150405Z")
	object(file)
	fmt.Fprintf(&out, "<</Type /EmbeddedFile /Subtype /text#2Fxml /Length %d /Params <</Size %d /ModDate (%s) /CheckSum <%x>>>>>\nstream\n",
		len(xml), len(xml), stamp, md5.Sum(xml)) //nolint:gosec // see the import
	out.Write(xml)
	out.WriteString("\nendstream\nendobj\n")
	object(spec)
	fmt.Fprintf(&out, "<</Type /Filespec /F (%s) /UF (%s) /Desc (Factur-X e-invoice) /AFRelationship /Alternative /EF <</F %d 0 R /UF %d 0 R>>>>\nendobj\n",
		facturFile, facturFile, file, file)
	object(root)
	fmt.Fprintf(&out, "<<%s/AF [%d 0 R]\n/Names <</EmbeddedFiles <</Names [(%s) %d 0 R]>>>>\n>>\nendobj\n", entries, spec, facturFile, spec)

	id := md5.Sum(out.Bytes()) //nolint:gosec // see the import
	table := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(offsets))
	for _, o := range offsets[1:] {
		fmt.Fprintf(&out, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&out, "trailer\n<<\n/Size %d\n/Root %d 0 R\n/Info %d 0 R\n/ID [<%x> <%x>]\n>>\nstartxref\n%d\n%%%%EOF\n",
		len(offsets), root, root-1, id, id, table)
	return out.Bytes(), nil
}

// crossReferences reads the offset of each object and the number of the catalog from a PDF with
// one cross-reference table, in which the catalog is the last object.
func crossReferences(pdf []byte) (offsets []int, root int, err error) {
	at := bytes.LastIndex(pdf, []byte("startxref"))
	if at < 0 {
		return nil, 0, errors.New("no cross-reference table")
	}
	fields := bytes.Fields(pdf[at:])
	table, err := strconv.Atoi(string(fields[1]))
	if err != nil || table < 0 || table > at {
		return nil, 0, errors.New("no cross-reference table")
	}
	words := strings.Fields(string(pdf[table:at])) // xref 0 N, then three words an object
	if len(words) < 3 || words[0] != "xref" {
		return nil, 0, errors.New("no cross-reference table")
	}
	n, err := strconv.Atoi(words[2])
	if err != nil || n < 2 || len(words) < 3+3*n {
		return nil, 0, errors.New("the cross-reference table is cut off")
	}
	for i := range n {
		offset, err := strconv.Atoi(words[3+3*i])
		if err != nil || offset < 0 || offset > table {
			return nil, 0, fmt.Errorf("object %d has no offset", i)
		}
		offsets = append(offsets, offset)
	}
	return offsets, n - 1, nil
}
