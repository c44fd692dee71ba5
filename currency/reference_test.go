package currency

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/arrears-billing/arrears/calendar"
)

func table(t *testing.T, files ...string) *Table {
	t.Helper()
	var all []Rate
	for _, f := range files {
		data, err := os.ReadFile("testdata/" + f)
		if err != nil {
			t.Fatal(err)
		}
		rates, err := ParseRates(f, data)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rates...)
	}
	return NewTable(all)
}

func TestMonthRate(t *testing.T) {
	refs := table(t, "eurofxref-hist.csv", "rates.csv")
	tests := []struct {
		name             string
		source, rule     string
		from, to         Code
		month            string
		maxAge           int
		want, date, fail string
	}{
		// March 2026 ends on a Tuesday, May on a Sunday; 3 and 6 April were holidays.
		{"published as it is", ECB, DayMonthEnd, "EUR", "USD", "2026-03", 0, "1.1498", "2026-03-31", ""},
		{"turned round, rounded half to even to ten places", ECB, "", "USD", "EUR", "2026-03", 0, "0.8697164724", "2026-03-31", ""},
		{"cross through the euro, rounded once", ECB, DayMonthEnd, "USD", "CHF", "2026-03", 0, "0.7992694382", "2026-03-31", ""},
		{"the month ends on a weekend", ECB, DayMonthEnd, "EUR", "USD", "2026-05", 0, "1.1644", "2026-05-29", ""},
		{"last before the month begins", ECB, DayLastBefore, "EUR", "USD", "2026-04", 0, "1.1498", "2026-03-31", ""},
		{"first published after the month", ECB, DayPublication, "EUR", "USD", "2026-03", 0, "1.1525", "2026-04-01", ""},
		{"mean of what was published", ECB, DayMonthAverage, "EUR", "USD", "2026-04", 20, "1.1601666667", "2026-04-30", ""},
		{"a mean turned round is that of the mean", ECB, DayMonthAverage, "USD", "EUR", "2026-04", 20, "0.8619451228", "2026-04-30", ""},
		{"cross of the means", ECB, DayMonthAverage, "USD", "CHF", "2026-04", 20, "0.7986496193", "2026-04-30", ""},
		{"same currency", ECB, DayMonthEnd, "EUR", "EUR", "2026-03", 0, "1", "", ""},
		{"a rate that the authority states in the other direction", "bazg", DayMonthEnd, "CHF", "USD", "2026-03", 0, "1.25", "2026-03-31", ""},
		{"one rate a month", "hmrc", DayMonthEnd, "USD", "GBP", "2026-03", 0, "0.8", "2026-03-01", ""},
		{"one rate a month, of the next", "hmrc", DayPublication, "GBP", "USD", "2026-02", 0, "1.25", "2026-03-01", ""},

		{"suspended currency", ECB, DayMonthEnd, "USD", "RUB", "2026-03", 0, "", "", "no rate from USD to RUB for 2026-03-31: the last one of European Central Bank (ecb) is of 2026-03-02, 29 days old; at most 7 are allowed"},
		{"older than allowed", ECB, DayMonthEnd, "EUR", "USD", "2026-05", 1, "", "", "no rate from EUR to USD for 2026-05-31: the last one of European Central Bank (ecb) is of 2026-05-29, 2 days old; at most 1 are allowed"},
		{"not imported up to the day", ECB, DayMonthEnd, "EUR", "USD", "2026-06", 0, "", "", "no rate from EUR to USD for 2026-06-30: the imported rates of European Central Bank (ecb) end with 2026-05-29; import newer ones"},
		{"not published yet", ECB, DayPublication, "EUR", "USD", "2026-05", 0, "", "", "no rate from EUR to USD: none of European Central Bank (ecb) is published after 2026-05-31 yet, or none within 7 days; the imported ones end with 2026-05-29"},
		{"a mean of half a month", ECB, DayMonthAverage, "EUR", "USD", "2026-05", 0, "", "", "no mean rate from EUR to USD for 2026-05: the first one of European Central Bank (ecb) in it is of 2026-05-28"},
		{"a currency that is not published", ECB, DayMonthEnd, "USD", "AED", "2026-03", 0, "", "", "no rate from USD to AED: European Central Bank (ecb) publishes none"},
		{"a source that is not imported", "norges_bank", DayMonthEnd, "EUR", "NOK", "2026-03", 0, "", "", "no rate from EUR to NOK: no rates of Norges Bank (norges_bank) are imported for this time"},
		{"no rate of that month", "hmrc", DayMonthEnd, "USD", "GBP", "2026-04", 0, "", "", "no rate from USD to GBP of HM Revenue & Customs (hmrc) for 2026-04"},
		{"unknown rule", ECB, "yesterday", "EUR", "USD", "2026-03", 0, "", "", `no rate from EUR to USD: unknown rule for the day: "yesterday"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := refs.Month(tt.source, tt.rule, tt.from, tt.to, calendar.MustMonth(tt.month), tt.maxAge)
			if got := text(err); got != tt.fail {
				t.Fatalf("error %q, want %q", got, tt.fail)
			}
			if err != nil {
				return
			}
			if Plain(r.Value) != tt.want || r.Date.String() != tt.date || r.From != tt.from || r.To != tt.to {
				t.Errorf("%s/%s %s of %s, want %s of %s", r.From, r.To, Plain(r.Value), r.Date, tt.want, tt.date)
			}
			if r.Source != "same" && (r.Source != tt.source || !strings.HasPrefix(r.Digest, "sha256:")) {
				t.Errorf("source %q, digest %q: want the source and the file's digest", r.Source, r.Digest)
			}
		})
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestTaxSource(t *testing.T) {
	for to, want := range map[Code]string{"EUR": "ecb", "PLN": "ecb", "CHF": "bazg", "GBP": "hmrc", "NOK": "norges_bank"} {
		if got := TaxSource(to); got != want {
			t.Errorf("TaxSource(%s) = %s, want %s", to, got, want)
		}
	}
}

// Rates that come in any order, in one table or from two overlapping files, are the same rates.
func TestTableOrder(t *testing.T) {
	data, err := os.ReadFile("testdata/eurofxref-hist.csv")
	if err != nil {
		t.Fatal(err)
	}
	rates, err := ParseRates("x", data)
	if err != nil {
		t.Fatal(err)
	}
	want := NewTable(rates)
	rapid.Check(t, func(t *rapid.T) {
		shuffled := rapid.Permutation(rates).Draw(t, "rates")
		got := NewTable(append(shuffled, rates[:rapid.IntRange(0, len(rates)).Draw(t, "again")]...))
		for _, rule := range []string{DayMonthEnd, DayMonthAverage, DayLastBefore, DayPublication} {
			a, errA := want.Month(ECB, rule, "USD", "CHF", calendar.MustMonth("2026-04"), 20)
			b, errB := got.Month(ECB, rule, "USD", "CHF", calendar.MustMonth("2026-04"), 20)
			if diff := cmp.Diff(a, b); diff != "" || text(errA) != text(errB) {
				t.Errorf("%s: %s %v, want %v", rule, diff, errB, errA)
			}
		}
	})
}

// What a table holds once a day is over does not change when newer rates are imported (I4).
func TestRatesDoNotChangeLater(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := calendar.MustDate("2026-01-01")
		var rates []Rate
		for i := range 150 {
			day := first.AddDays(i)
			// Weekends have no rates, and some weekdays are holidays.
			if wd := day.Time().Weekday(); wd == 0 || wd == 6 || rapid.IntRange(0, 20).Draw(t, "holiday") == 0 {
				continue
			}
			v := MustParse("1").Add(MustParse("0.0001").Mul(decimalOf(rapid.IntRange(0, 5000).Draw(t, "rate"))))
			rates = append(rates, Rate{From: "EUR", To: "USD", Value: v, Source: ECB, Date: day})
		}
		n := rapid.IntRange(1, len(rates)).Draw(t, "imported")
		early, late := NewTable(rates[:n]), NewTable(rates)
		for m := calendar.MustMonth("2026-01"); m.Before(calendar.MustMonth("2026-06")); m = m.Add(1) {
			for _, rule := range []string{DayMonthEnd, DayMonthAverage, DayLastBefore, DayPublication} {
				a, err := early.Month(ECB, rule, "USD", "EUR", m, 0)
				if err != nil {
					continue
				}
				b, err := late.Month(ECB, rule, "USD", "EUR", m, 0)
				if err != nil || !a.Value.Equal(b.Value) || !a.Date.Equal(b.Date) {
					t.Fatalf("%s %s: %v then %v, %v", m, rule, a, b, err)
				}
			}
		}
	})
}

func zipped(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestParseRates(t *testing.T) {
	const hist = "Date,USD,JPY,BGN,\n2026-03-31,1.1498,183.39,N/A,\n2026-03-30,1.1484,183.41,1.9558,\n"
	const published = "Date,USD,JPY,BGN,CYP,CZK,DKK,EEK,GBP,HUF,LTL,LVL,MTL,PLN,ROL,RON,SEK,SIT,SKK,CHF,ISK,NOK,HRK,RUB,TRL,TRY,AUD,BRL,CAD,CNY,HKD,IDR,ILS,INR,KRW,MXN,MYR,NZD,PHP,SGD,THB,ZAR,\n" +
		"2022-12-30,1.0666,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,0.9847,N/A,N/A,7.5365,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,N/A,\n"
	const daily = "Date, USD, JPY, \n31 March 2026, 1.1498, 183.39, \n"
	const own = "# the authority's page of 2026-04-01\nsource,from,to,date,rate\nbazg,USD,CHF,2026-03-31,0.80125\n"
	const envelope = `<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01" xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
	<gesmes:subject>Reference rates</gesmes:subject>
	<Cube>
		<Cube time='2026-03-31'>
			<Cube currency='USD' rate='1.1498'/>
			<Cube currency='CYP' rate='0.5853'/>
			<Cube currency='JPY' rate='183.39'/>
		</Cube>%s
	</Cube>
</gesmes:Envelope>`
	xmlDaily := fmt.Sprintf(envelope, "")
	xmlHist := fmt.Sprintf(envelope, `<Cube time="2026-03-30"><Cube currency="USD" rate="1.1484"/></Cube>`)
	const portal = "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE,OBS_STATUS,TITLE\n" +
		"EXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2026-03-31,1.1498,A,\"US dollar/Euro, daily\"\n" +
		"EXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2026-04-03,,H,\"US dollar/Euro, daily\"\n" +
		"EXR.D.CYP.EUR.SP00.A,D,CYP,EUR,SP00,A,2007-12-31,0.5853,A,Cyprus pound\n" +
		"EXR.D.JPY.EUR.SP00.A,D,JPY,EUR,SP00,A,2026-03-31,183.39,A,Yen\n"
	day := []string{"ecb EUR/USD 2026-03-31 1.1498", "ecb EUR/JPY 2026-03-31 183.39"}
	tests := []struct {
		name string
		data []byte
		want []string
	}{
		{"daily XML", []byte(xmlDaily), day},
		{"history as XML, with a byte order mark", []byte("\ufeff\n" + xmlHist), append(slices.Clone(day), "ecb EUR/USD 2026-03-30 1.1484")},
		{"XML in a zip", zipped(t, map[string]string{"eurofxref-hist.xml": xmlDaily, "readme.txt": ""}), day},
		{"the data portal's CSV", []byte(portal), day},
		{"quoted cells after a space", []byte("Date, \"USD\"\n2026-03-31, \"1.1498\"\n"), day[:1]},
		{"empty cells", []byte("Date, USD ,JPY,\n 2026-03-31 , 1.1498 ,,\n"), day[:1]},
		{"a source of the longest name, years at both ends", []byte("source,from,to,date,rate\na23456789012345678901234567890_,USD,CHF,1990-01-01,0.8\nz,USD,CHF,2199-12-31,0.1234567891\n"),
			[]string{"a23456789012345678901234567890_ USD/CHF 1990-01-01 0.8", "z USD/CHF 2199-12-31 0.1234567891"}},
		{"history", []byte(hist), []string{"ecb EUR/USD 2026-03-31 1.1498", "ecb EUR/JPY 2026-03-31 183.39", "ecb EUR/USD 2026-03-30 1.1484", "ecb EUR/JPY 2026-03-30 183.41", "ecb EUR/BGN 2026-03-30 1.9558"}},
		{"the history's own header, with withdrawn currencies", []byte(published), []string{"ecb EUR/USD 2022-12-30 1.0666", "ecb EUR/CHF 2022-12-30 0.9847"}},
		{"daily", []byte(daily), []string{"ecb EUR/USD 2026-03-31 1.1498", "ecb EUR/JPY 2026-03-31 183.39"}},
		{"zip", zipped(t, map[string]string{"eurofxref.csv": daily}), []string{"ecb EUR/USD 2026-03-31 1.1498", "ecb EUR/JPY 2026-03-31 183.39"}},
		{"own, with a byte order mark and CRLF", []byte("\ufeff" + strings.ReplaceAll(own, "\n", "\r\n")), []string{"bazg USD/CHF 2026-03-31 0.80125"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rates, err := ParseRates("rates.csv", tt.data)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range rates {
				got = append(got, strings.Join([]string{r.Source, string(r.From) + "/" + string(r.To), r.Date.String(), Plain(r.Value)}, " "))
				if len(r.Digest) != len("sha256:")+64 {
					t.Errorf("digest %q", r.Digest)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseRates mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

// The example of docs/RATES.md is read.
func TestDocs(t *testing.T) {
	doc, err := os.ReadFile("../docs/RATES.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(doc), "```csv\n")
	example, _, _ = strings.Cut(example, "```")
	rates, err := ParseRates("example.csv", []byte(example))
	if err != nil || len(rates) != 2 {
		t.Errorf("the example: %d rates, %v", len(rates), err)
	}
}

func TestParseRatesErrors(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"empty", "", "f.csv: empty"},
		{"header only", "source,from,to,date,rate\n", "f.csv: no rates in it"},
		{"another file", "when,what\n", "f.csv:1:1: not a file of rates: its header is when,what"},
		{"no currency in the header", "Date,USD,Total\n", `f.csv:1:10: not an ISO 4217 currency code: "Total"`},
		{"not a number", "Date,USD,JPY,\n2026-03-31,1.1498,n/a,\n", `f.csv:2:19: not a number: "n/a"`},
		{"comma as the decimal point", "source,from,to,date,rate\necb,EUR,USD,2026-03-31,\"1,14\"\n", `f.csv:2:24: not a number: "1,14"`},
		{"not a date", "Date,USD\n31/03/2026,1.1498\n", `f.csv:2:1: not a date, want YYYY-MM-DD: "31/03/2026"`},
		{"zero", "Date,USD\n2026-03-31,0\n", "f.csv:2:12: not a rate: 0"},
		{"eleven places", "Date,USD\n2026-03-31,1.00000000001\n", "f.csv:2:12: not a rate: 1.00000000001"},
		{"fields are missing", "Date,USD,JPY\n2026-03-31,1.1498\n", "f.csv:2:1: 2 fields, and the header has 3"},
		{"a day twice", "Date,USD\n2026-03-31,1.1498\n2026-03-31,1.1499\n", "f.csv:3:12: a second rate from EUR to USD on 2026-03-31, the first is in line 2"},
		{"a source that is no publisher", "source,from,to,date,rate\naws_invoice,USD,EUR,2026-03-31,0.9\n", `f.csv:2:1: not a source of published rates: "aws_invoice"`},
		{"to itself", "source,from,to,date,rate\necb,EUR,EUR,2026-03-31,1\n", "f.csv:2:9: a rate from EUR to itself"},
		{"a monthly rate in the middle of a month", "source,from,to,date,rate\nhmrc,GBP,USD,2026-03-31,1.25\n", "f.csv:2:14: HM Revenue & Customs (hmrc) publishes one rate a month, to be dated with its first day"},
		{"not CSV", "Date,USD\n2026-03-31,\"1.1\n", `f.csv:2:17: not CSV: extraneous or missing " in quoted-field`},
		{"two files in a zip", string(zipped(t, map[string]string{"a.csv": "Date,USD\n", "b.csv": "Date,USD\n"})), "f.csv: more than one file of rates in it"},
		{"no CSV in a zip", string(zipped(t, map[string]string{"a.txt": ""})), "f.csv: no CSV or XML in it"},
		{"another XML", "<html><body/></html>", "f.csv:1:7: not the ECB's file of rates: it begins with <html>"},
		{"XML without rates", "<Envelope><Cube/></Envelope>", "f.csv: no rates in it"},
		{"XML that is cut off", "<Envelope>\n<Cube time='2026-03-31'>\n<Cube currency='USD' rate='1.1'", "f.csv:3:32: not XML: XML syntax error on line 3: unexpected EOF"},
		{"XML: a rate without a day", "<Envelope>\n<Cube currency='USD' rate='1.1'/></Envelope>", "f.csv:2:34: a rate without a day"},
		{"XML: a day that is none", "<Envelope><Cube time='31.3.2026'/></Envelope>", `f.csv:1:35: not a date, want YYYY-MM-DD: "31.3.2026"`},
		{"XML: no currency", "<Envelope><Cube time='2026-03-31'><Cube currency='Dollar' rate='1.1'/></Cube></Envelope>", `f.csv:1:71: not an ISO 4217 currency code: "Dollar"`},
		{"XML: no rate", "<Envelope><Cube time='2026-03-31'><Cube currency='USD'/></Cube></Envelope>", `f.csv:1:57: not a number: ""`},
		{"XML: a day twice", "<Envelope><Cube time='2026-03-31'><Cube currency='USD' rate='1'/>\n<Cube currency='USD' rate='2'/></Cube></Envelope>", "f.csv:2:32: a second rate from EUR to USD on 2026-03-31, the first is in line 1"},
		{"the portal's monthly series", "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE\nEXR.M.USD.EUR.SP00.A,M,USD,EUR,SP00,A,2026-03,1.15\n", `f.csv:2:22: not a daily euro reference rate: FREQ is "M"`},
		{"the portal's other series", "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE\nEXR.D.USD.EUR.SP00.A,D,USD,CHF,SP00,A,2026-03-31,1.15\n", `f.csv:2:28: not a daily euro reference rate: CURRENCY_DENOM is "CHF"`},
		{"the portal's CSV without a column", "KEY,FREQ,CURRENCY,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE\n", "f.csv:1:1: the ECB data portal's CSV has no column CURRENCY_DENOM"},
		{"the portal: not a number", "KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE\nEXR.D.USD.EUR.SP00.A,D,USD,EUR,SP00,A,2026-03-31,x\n", `f.csv:2:50: not a number: "x"`},
		{"a source of a fixed rate", "source,from,to,date,rate\nfixed,USD,EUR,2026-03-31,0.9\n", `f.csv:2:1: not a source of published rates: "fixed"`},
		{"a source of no rate", "source,from,to,date,rate\nsame,USD,EUR,2026-03-31,0.9\n", `f.csv:2:1: not a source of published rates: "same"`},
		{"a source that is no name", "source,from,to,date,rate\nECB,USD,EUR,2026-03-31,0.9\n", `f.csv:2:1: not a source of published rates: "ECB"`},
		{"a currency that is none", "source,from,to,date,rate\necb,EUR,XXQ,2026-03-31,0.9\n", `f.csv:2:9: not an ISO 4217 currency code: "XXQ"`},
		{"before there were euros", "Date,USD\n1989-12-31,1.1\n", `f.csv:2:1: not a date, want YYYY-MM-DD: "1989-12-31"`},
		{"after all days", "Date,USD\n2200-01-01,1.1\n", `f.csv:2:1: not a date, want YYYY-MM-DD: "2200-01-01"`},
		{"a header of one column", "Date\n2026-03-31\n", "f.csv:1:1: not a file of rates: its header is Date"},
		{"a key of something else", "KEY,what\n", "f.csv:1:1: not a file of rates: its header is KEY,what"},
		{"values of something else", "X,OBS_VALUE\n", "f.csv:1:1: not a file of rates: its header is X,OBS_VALUE"},
		{"half a zip", "PK\x03\x04....", "f.csv: not a zip: zip: not a valid zip file"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rates, err := ParseRates("f.csv", []byte(tt.data))
			var fe *FileError
			if !errors.As(err, &fe) || err.Error() != tt.want || rates != nil {
				t.Errorf("ParseRates = %v, %v; want error %s", rates, err, tt.want)
			}
		})
	}
}

func FuzzParseRates(f *testing.F) {
	f.Add([]byte("Date,USD,JPY,\n2026-03-31,1.1498,N/A,\n"))
	f.Add([]byte("source,from,to,date,rate\nbazg,USD,CHF,2026-03-31,0.80125\n"))
	f.Add([]byte("<Envelope><Cube><Cube time='2026-03-31'><Cube currency='USD' rate='1.1'/></Cube></Cube></Envelope>"))
	f.Add([]byte("KEY,FREQ,CURRENCY,CURRENCY_DENOM,EXR_TYPE,EXR_SUFFIX,TIME_PERIOD,OBS_VALUE\nk,D,USD,EUR,SP00,A,2026-03-31,1.1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rates, err := ParseRates("f", data)
		if err != nil {
			return
		}
		for _, r := range rates {
			if r.Value.Sign() <= 0 || !r.From.Known() || !r.To.Known() || r.From == r.To || r.Date.IsZero() {
				t.Errorf("rate %+v", r)
			}
		}
		for _, r := range rates[:min(len(rates), 5)] {
			if _, err := NewTable(rates).On(r.Source, r.From, r.To, r.Date, 0); err != nil && !strings.Contains(err.Error(), "import newer") {
				t.Errorf("On(%+v): %v", r, err)
			}
		}
	})
}

// TestTableKeepsTheLast: of two rates of a day the later counts, and a mean names each file once. A
// rate that is not positive is none.
func TestTableKeepsTheLast(t *testing.T) {
	rate := func(day, value, digest string) Rate {
		return Rate{From: "EUR", To: "USD", Source: ECB, Date: calendar.MustDate(day), Value: MustParse(value), Digest: digest}
	}
	on := func(rates ...Rate) (Rate, error) {
		return NewTable(rates).On(ECB, "EUR", "USD", calendar.MustDate("2026-03-31"), 0)
	}
	if got, err := on(rate("2026-03-31", "1.1", "a"), rate("2026-03-31", "1.2", "b"), rate("2026-03-30", "1.3", "c")); err != nil || got.Value.String() != "1.2" || got.Digest != "b" {
		t.Errorf("got %v, %v; want the second rate of the day", got, err)
	}
	if got, err := on(rate("2026-03-31", "0", "a")); err == nil || !strings.Contains(err.Error(), "is not positive") {
		t.Errorf("a rate of 0: %v, %v", got, err)
	}
	var month []Rate
	for _, day := range []string{"2026-03-02", "2026-03-16", "2026-03-31"} {
		month = append(month, rate(day, "1.2", "file"))
	}
	month = append(month, rate("2026-04-01", "1.2", "other"))
	got, err := NewTable(month).Month(ECB, DayMonthAverage, "EUR", "USD", calendar.MustMonth("2026-03"), 31)
	if err != nil || got.Digest != "file" || got.Value.String() != "1.2" {
		t.Errorf("mean %+v, %v; want 1.2 of one file", got, err)
	}
}
