// Command bench compares the reader of cost and usage reports with DuckDB on the same file, in the
// same run, alternating. It is a module of its own, so that nothing of it is a dependency of the
// product. DuckDB runs as a child process: python3 with the package duckdb.
package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/arrears-billing/arrears/calendar"
	"github.com/arrears-billing/arrears/currency"
	"github.com/arrears-billing/arrears/fixtures"
	"github.com/arrears-billing/arrears/ingest"
	"github.com/arrears-billing/arrears/ingest/cur"
)

var month = calendar.MustMonth("2026-03")

func main() {
	rows := flag.Int64("rows", 10_000_000, "rows of the file, in steps of 200,000")
	group := flag.Int("group", 200_000, "rows of a row group")
	runs := flag.Int("runs", 5, "runs of each program; the median counts")
	dir := flag.String("dir", filepath.Join(os.TempDir(), "arrears-bench"), "folder for the files, which are kept")
	threads := flag.Int("threads", 2, "threads of each program")
	python := flag.String("python", "python3", "python with the package duckdb; empty: measure without DuckDB")
	scan := flag.String("scan", "", "internal: scan this file as told on standard input")
	focus := flag.Bool("focus", false, "compare the FOCUS export instead: arrears against DuckDB's projection of the same columns")
	flag.Parse()
	runtime.GOMAXPROCS(*threads)
	var err error
	if *scan != "" {
		if *focus { // what arrears export sets for itself
			debug.SetGCPercent(400)
			debug.SetMemoryLimit(448 << 20)
		}
		err = serveScans(*scan)
	} else {
		err = bench(*dir, *rows, *group, *runs, *threads, *python, *focus)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// keys are the columns that make a charge, as DuckDB reads them.
const keys = `bill_payer_account_id, line_item_usage_account_id, line_item_product_code, line_item_line_item_type,
	bill_billing_entity, bill_bill_type, bill_invoicing_entity, line_item_legal_entity, bill_invoice_id,
	line_item_currency_code, reservation_reservation_a_r_n is not null, line_item_operation in ('EKSPod-EC2', 'ECSTask-EC2'),
	line_item_tax_type is not null`

// queryA groups by the key columns and sums the unblended cost.
func queryA(file string) string {
	return fmt.Sprintf(`select %s, count(*), sum(line_item_unblended_cost::decimal(28,10)) from '%s' group by all`, keys, file)
}

// queryB does what a month needs: also the net cost, the discounts inside the rows, and the names
// of products. DuckDB has nothing like the digest, so it is not asked for one.
func queryB(file string) string {
	var parts []string
	for _, k := range []string{"spp_discount", "bundled_discount", "edp_discount", "private_rate_discount", "distributor_discount"} {
		parts = append(parts, fmt.Sprintf("sum(discount['%s']::decimal(28,10))", k))
	}
	return fmt.Sprintf(`select %s, min(bill_billing_period_start_date), max(bill_billing_period_start_date),
		sum(line_item_net_unblended_cost::decimal(28,10)), sum(discount_bundled_discount::decimal(28,10)), %s,
		any_value(product['product_name']), count(*), sum(line_item_unblended_cost::decimal(28,10)) from '%s' group by all`,
		keys, strings.Join(parts, ", "), file)
}

// A result is what one run took.
type result struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"`
	MiB     float64 `json:"mib"`
	Groups  int     `json:"groups"`
	Sum     string  `json:"sum"`
}

// A comparison is one thing that both programs do: ours by its mode, DuckDB's by its query.
type comparison struct{ what, mode, query string }

// comparisons are what is measured. The exports write their files beside the one they read.
func comparisons(file string, focus bool) []comparison {
	if !focus {
		return []comparison{{"(a) key columns and unblended sum", "sums", queryA(file)}, {"(b) all a month reads", "month", queryB(file)}}
	}
	projection := strings.ReplaceAll(focusSQL, "FILE", file)
	return []comparison{
		{"FOCUS 1.4, zstd parquet", "parquet", "copy (" + projection + ") to '" + file + ".duckdb.parquet' (format parquet, compression zstd)"},
		{"FOCUS 1.4, csv.gz", "csv", "copy (" + projection + ") to '" + file + ".duckdb.csv.gz' (format csv, compression gzip)"},
	}
}

//go:embed focus.sql
var focusSQL string

func bench(dir string, rows int64, group, runs, threads int, python string, focus bool) error {
	file, rows, want, err := prepare(dir, rows, group)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, err := start(self, "-scan", file, "-threads", strconv.Itoa(threads), fmt.Sprintf("-focus=%t", focus))
	if err != nil {
		return err
	}
	defer ours.stop()
	duck, version, err := startDuckDB(python, threads)
	if err != nil {
		return fmt.Errorf("duckdb: %w", err)
	}
	if duck != nil {
		defer duck.stop()
	}
	fmt.Printf("%d rows, %s, %s, %d threads each, median of %d, alternating\n\n", rows, file, version, threads, runs)
	fmt.Println("| what | arrears s | CPU s | MiB | DuckDB s | CPU s | MiB | ratio s | ratio CPU |")
	fmt.Println("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
	for _, x := range comparisons(file, focus) {
		var a, d []result
		for range runs {
			r, err := ours.ask(x.mode)
			if err != nil {
				return fmt.Errorf("scan: %w", err)
			}
			a = append(a, r)
			if duck == nil {
				continue
			}
			if r, err = duck.ask(x.query); err != nil {
				return fmt.Errorf("duckdb: %w", err)
			}
			d = append(d, r)
		}
		for _, r := range slices.Concat(a, d) {
			if focus {
				break // ours fails by itself when rows and invoice differ; DuckDB's answers with a count
			}
			if !currency.MustParse(r.Sum).Equal(currency.MustParse(want)) {
				return fmt.Errorf("%s: a sum of %s, want %s", x.what, r.Sum, want)
			}
		}
		sec, cpu, mib := func(r result) float64 { return r.Seconds }, func(r result) float64 { return r.CPU }, func(r result) float64 { return r.MiB }
		fmt.Printf("| %s | %.2f | %.2f | %.0f |", x.what, median(a, sec), median(a, cpu), median(a, mib))
		if duck != nil {
			fmt.Printf(" %.2f | %.2f | %.0f | %.1f | %.1f |", median(d, sec), median(d, cpu), median(d, mib),
				median(d, sec)/median(a, sec), median(d, cpu)/median(a, cpu))
		}
		fmt.Println()
	}
	return nil
}

// startDuckDB starts DuckDB in a python process and returns its version; without a python there is
// nothing to start.
func startDuckDB(python string, threads int) (*child, string, error) {
	if python == "" {
		return nil, "no DuckDB", nil
	}
	duck, err := start(python, "-c", script, strconv.Itoa(threads))
	if err != nil {
		return nil, "", err
	}
	var hello struct {
		Version string `json:"version"`
	}
	if err := duck.read(&hello); err != nil {
		return nil, "", err
	}
	return duck, "DuckDB " + hello.Version, nil
}

func median(rs []result, of func(result) float64) float64 {
	var xs []float64
	for _, r := range rs {
		xs = append(xs, of(r))
	}
	slices.Sort(xs)
	return xs[len(xs)/2]
}

// prepare writes the file unless it is there, and returns its rows and their sum.
func prepare(dir string, rows int64, group int) (string, int64, string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", 0, "", err
	}
	path := filepath.Join(dir, fmt.Sprintf("%d-%d.parquet", rows, group))
	note := path + ".sum"
	if b, err := os.ReadFile(note); err == nil {
		var n int64
		var sum string
		if _, err := fmt.Sscan(string(b), &n, &sum); err == nil {
			return path, n, sum, nil
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return "", 0, "", err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	n, sum, err := fixtures.WriteLarge(w, fixtures.Large{Seed: 1, Month: month, Payer: "111122223333", Rows: rows, GroupRows: group, Groups: max(1, min(2, 400_000/group))})
	if err == nil {
		err = w.Flush()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", 0, "", err
	}
	return path, n, sum.String(), os.WriteFile(note, fmt.Appendln(nil, n, sum), 0o644)
}

//go:embed query.py
var script string

// A child is a process that answers each line with a line.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(name string, args ...string) (*child, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := bufio.NewScanner(out)
	s.Buffer(nil, 1<<20)
	return &child{cmd, in, s}, nil
}

func (c *child) read(v any) error {
	if !c.out.Scan() {
		return io.ErrUnexpectedEOF
	}
	return json.Unmarshal(c.out.Bytes(), v)
}

func (c *child) ask(question string) (r result, err error) {
	b, err := json.Marshal(question)
	if err != nil {
		return r, err
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		return r, err
	}
	return r, c.read(&r)
}

func (c *child) stop() {
	_ = c.in.Close()
	_ = c.cmd.Wait() // it has given all its answers
}

// serveScans scans the file each time it is asked, and answers with what it took.
func serveScans(path string) error {
	store := ingest.Folder(filepath.Dir(path))
	files, err := store.Files(context.Background(), "")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(files, func(f ingest.File) bool { return f.Name == filepath.Base(path) })
	if i < 0 {
		return fmt.Errorf("no such file: %s", path)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var mode string
		if err := json.Unmarshal(in.Bytes(), &mode); err != nil {
			return err
		}
		var before, after syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &before); err != nil {
			return err
		}
		begin := time.Now()
		var set ingest.ChargeSet
		switch mode {
		case "sums":
			set, err = cur.Sums(context.Background(), files[i], month)
		case "parquet", "csv":
			err = writeFocus(files[i], path, mode)
		default:
			var s ingest.Scan
			s, err = cur.Scan(context.Background(), files[i], month)
			set = s.Set
		}
		if err != nil {
			return err
		}
		r := result{Seconds: time.Since(begin).Seconds(), Groups: len(set.Charges)}
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &after); err != nil {
			return err
		}
		r.CPU = cpu(after) - cpu(before)
		if r.MiB, err = peak(); err != nil {
			return err
		}
		sum := currency.Zero
		for _, c := range set.Charges {
			sum = sum.Add(c.Unblended)
		}
		r.Sum = currency.Plain(sum)
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// peak is the most memory the process has had, in MiB. (The kernel's maxrss counts that of the
// process it was started from, too.)
func peak() (float64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	var kib float64
	_, err = fmt.Sscan(rest, &kib)
	return kib / 1024, err
}

func cpu(r syscall.Rusage) float64 {
	return float64(r.Utime.Nano()+r.Stime.Nano()) / 1e9
}
