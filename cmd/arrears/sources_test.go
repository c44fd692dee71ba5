package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/arrears-billing/arrears/aws/simulator"
	"github.com/arrears-billing/arrears/fixtures"
)

// runArrears runs a command in this process; it must be done, with or without something to look at.
func runArrears(t *testing.T, args ...string) []byte {
	t.Helper()
	var out, talk bytes.Buffer
	if got := run(t.Context(), args, &out, &talk); got != exitDone && got != exitLook {
		t.Fatalf("arrears %s: exit %d\n%s%s", strings.Join(args, " "), got, &out, &talk)
	}
	return out.Bytes()
}

// What AWS delivers into S3 and tells by its API is billed as the same files in folders are: every
// layout, every payer.
func TestMonthFromS3AndAPI(t *testing.T) {
	dir := t.TempDir()
	story := fixtures.Demo(1)
	if err := story.Write(dir); err != nil {
		t.Fatal(err)
	}
	folders := filepath.Join(dir, "book.yaml")
	book, err := os.ReadFile(folders)
	if err != nil {
		t.Fatal(err)
	}
	online := regexp.MustCompile(`\./aws/invoices/\d+`).ReplaceAll(book, []byte("api"))
	online = bytes.ReplaceAll(online, []byte("./aws/"), []byte("s3://cur/exports/"))
	remote := filepath.Join(dir, "online.yaml")
	if err := os.WriteFile(remote, online, 0o600); err != nil {
		t.Fatal(err)
	}
	upload(t, filepath.Join(dir, "aws"))

	for _, m := range story.Months {
		asOf := story.AsOf(m).String()
		var lists [2][]byte
		for i, file := range []string{folders, remote} {
			data := filepath.Join(dir, "data", filepath.Base(file))
			runArrears(t, "apply", "-f", file, "--data", data, "--as-of", asOf)
			runArrears(t, "run", "--month", m.String(), "--data", data, "--as-of", asOf, "--json")
			lists[i] = runArrears(t, "invoice", "list", "--month", m.String(), "--data", data, "--as-of", asOf, "--json")
		}
		if !bytes.Contains(lists[0], []byte(`"net"`)) {
			t.Errorf("%s has no document: %s", m, lists[0])
		}
		if diff := cmp.Diff(string(lists[0]), string(lists[1])); diff != "" {
			t.Errorf("%s from folders and from S3 differ (-folders +S3):\n%s", m, diff)
		}
	}
}

// upload starts a simulator of AWS for this test and puts a story's files into it: deliveries into
// the bucket cur, invoices behind the API of their payer, in which a role can be assumed.
func upload(t *testing.T, dir string) {
	t.Helper()
	const self = "123456789012"
	sim := simulator.New(time.Now)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	if err := sim.AddAccount(simulator.Account{ID: self}); err != nil {
		t.Fatal(err)
	}
	manifests := map[string][]byte{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		rest, ok := strings.CutPrefix(filepath.ToSlash(rel), "invoices/")
		if key := "exports/" + filepath.ToSlash(rel); !ok && strings.HasSuffix(key, "-Manifest.json") {
			manifests[key] = b // AWS writes them after the files that they name
			return nil
		} else if !ok {
			return sim.PutObject("cur", key, b)
		}
		payer, _, _ := strings.Cut(rest, "/")
		var page struct{ InvoiceSummaries []map[string]any }
		if err := json.Unmarshal(b, &page); err != nil {
			return err
		}
		if err := sim.AddAccount(simulator.Account{ID: payer}); err != nil {
			return err
		}
		if err := sim.DeployRole(simulator.Role{Account: payer, Name: "billing", Trusts: []string{self}}); err != nil {
			return err
		}
		return sim.PutInvoices(payer, page.InvoiceSummaries)
	})
	for key, b := range manifests {
		err = errors.Join(err, sim.PutObject("cur", key, b))
	}
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{
		"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": "AKIA" + self, "AWS_SECRET_ACCESS_KEY": simulator.Secret,
		"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "ARREARS_AWS_PAYER_ROLE": "billing",
	} {
		t.Setenv(k, v)
	}
}
