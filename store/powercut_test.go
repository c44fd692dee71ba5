package store

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/arrears-billing/arrears/calendar"
)

// errCut is what every step gets once the power is off.
var errCut = errors.New("power cut")

// A cutDisk is a file system that remembers what was synced, and whose power goes off at a chosen
// step. What was not synced by then may be lost.
type cutDisk struct {
	steps, cutAt int // the step at which power goes, from 1; 0: never
	off          bool

	names   map[string]*inode // as the running system sees it
	durable map[string]*inode // names that outlive a cut
}

type inode struct {
	dir          bool
	data, synced []byte
}

func newCutDisk() *cutDisk {
	root := &inode{dir: true}
	return &cutDisk{names: map[string]*inode{"/": root}, durable: map[string]*inode{"/": root}}
}

// step counts, and says whether there is still power.
func (d *cutDisk) step() error {
	d.steps++
	if d.steps == d.cutAt {
		d.off = true
	}
	if d.off {
		return errCut
	}
	return nil
}

// What becomes of steps that were not synced: a file system may keep any of them.
var fates = map[string]struct{ names, data func(i int) bool }{
	"all is lost":            {no, no},
	"names stay, bytes go":   {yes, no},
	"bytes stay, names go":   {no, yes},
	"all stays":              {yes, yes},
	"every other name stays": {func(i int) bool { return i%2 == 0 }, no},
}

func yes(int) bool { return true }
func no(int) bool  { return false }

// reboot returns the disk as it is found after the cut.
func (d *cutDisk) reboot(names, data func(i int) bool) *cutDisk {
	next := &cutDisk{names: map[string]*inode{}, durable: map[string]*inode{}}
	all := maps.Clone(d.durable)
	var loose []string
	for name, n := range d.names {
		if all[name] != n {
			loose = append(loose, name)
		}
	}
	slices.Sort(loose)
	for i, name := range loose {
		if names(i) {
			all[name] = d.names[name]
		}
	}
	i := 0
	for _, name := range slices.Sorted(maps.Keys(all)) { // parents come first
		n := all[name]
		if parent, ok := next.names[filepath.Dir(name)]; name != "/" && (!ok || !parent.dir) {
			continue // its folder is gone
		}
		kept := bytes.Clone(n.synced)
		if data(i) {
			kept = bytes.Clone(n.data)
		}
		i++
		m := &inode{n.dir, kept, kept}
		next.names[name], next.durable[name] = m, m
	}
	return next
}

func (d *cutDisk) mkdir(name string) (bool, error) {
	if err := d.step(); err != nil {
		return false, err
	}
	if d.names[name] != nil {
		return false, nil
	}
	d.names[name] = &inode{dir: true}
	return true, nil
}

func (d *cutDisk) exists(name string) (bool, error) { return d.names[name] != nil, d.step() }

func (d *cutDisk) read(name string) ([]byte, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	n := d.names[name]
	if n == nil {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(n.data), nil
}

func (d *cutDisk) temp(dir string) (file, error) {
	if err := d.step(); err != nil {
		return nil, err
	}
	if d.names[dir] == nil {
		return nil, fs.ErrNotExist
	}
	f := &cutFile{d, fmt.Sprintf("%s/blob-%d", dir, d.steps), &inode{}}
	d.names[f.name] = f.inode
	return f, nil
}

func (d *cutDisk) rename(from, to string) error {
	if err := d.step(); err != nil {
		return err
	}
	d.names[to] = d.names[from]
	delete(d.names, from)
	return nil
}

func (d *cutDisk) remove(name string) error {
	if err := d.step(); err != nil {
		return err
	}
	delete(d.names, name)
	return nil
}

// syncDir makes the names in the folder last, not the folder's own.
func (d *cutDisk) syncDir(dir string) error {
	if err := d.step(); err != nil {
		return err
	}
	for name := range d.durable {
		if filepath.Dir(name) == dir && name != dir && d.names[name] == nil {
			delete(d.durable, name)
		}
	}
	for name, n := range d.names {
		if filepath.Dir(name) == dir {
			d.durable[name] = n
		}
	}
	return nil
}

type cutFile struct {
	d     *cutDisk
	name  string
	inode *inode
}

func (f *cutFile) Name() string { return f.name }

func (f *cutFile) Write(b []byte) (int, error) {
	if err := f.d.step(); err != nil {
		return 0, err
	}
	f.inode.data = append(f.inode.data, b...)
	return len(b), nil
}

func (f *cutFile) Sync() error {
	if err := f.d.step(); err != nil {
		return err
	}
	f.inode.synced = bytes.Clone(f.inode.data)
	return nil
}

func (f *cutFile) Close() error { return nil }

// TestBlobsSurvivePowerCuts cuts the power at every step of writing three blobs, one of them
// twice. What Put said is kept must be there; anything else is whole or absent.
func TestBlobsSurvivePowerCuts(t *testing.T) {
	writes := []string{"first", "second", "first", "third"}
	steps := cutBlobs(t, newCutDisk(), 0, writes, nil)
	if steps < 20 {
		t.Fatalf("only %d steps: the disk is not in use", steps)
	}
	for cut := 1; cut <= steps; cut++ {
		for fate, f := range fates {
			d := newCutDisk()
			var kept []string
			cutBlobs(t, d, cut, writes, &kept)
			after := &folder{root: "/blobs", fs: d.reboot(f.names, f.data)}
			wantBlobs(t, fmt.Sprintf("cut at step %d, %s", cut, fate), after, writes, kept)
		}
	}
}

// TestBlobsSurviveKillThenCut kills the process at every step, writes again in a second process,
// and then cuts the power: what the first had done without syncing must not count as done.
func TestBlobsSurviveKillThenCut(t *testing.T) {
	writes := []string{"first", "second"}
	steps := cutBlobs(t, newCutDisk(), 0, writes, nil)
	for kill := 1; kill <= steps; kill++ {
		d := newCutDisk()
		cutBlobs(t, d, kill, writes, nil)
		d.off = false // only the process died: the system runs on
		var kept []string
		cutBlobs(t, d, 0, writes, &kept)
		if len(kept) != len(writes) {
			t.Fatalf("killed at step %d: second process kept %v", kill, kept)
		}
		for fate, f := range fates {
			after := &folder{root: "/blobs", fs: d.reboot(f.names, f.data)}
			wantBlobs(t, fmt.Sprintf("killed at step %d, then cut, %s", kill, fate), after, writes, kept)
		}
	}
}

// cutBlobs puts blobs with the power going at a step, notes which Put kept, and returns the steps.
func cutBlobs(t *testing.T, d *cutDisk, cutAt int, writes []string, kept *[]string) int {
	t.Helper()
	d.steps, d.cutAt = 0, cutAt
	f := &folder{root: "/blobs", fs: d}
	for _, data := range writes {
		err := f.Put(t.Context(), hash([]byte(data)), []byte(data))
		if err != nil && !errors.Is(err, errCut) {
			t.Fatal(err)
		}
		if err == nil && kept != nil {
			*kept = append(*kept, data)
		}
	}
	return d.steps
}

func wantBlobs(t *testing.T, when string, f *folder, writes, kept []string) {
	t.Helper()
	for _, data := range writes {
		got, err := f.Get(t.Context(), hash([]byte(data)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if slices.Contains(kept, data) {
				t.Errorf("%s: %q is gone, Put had kept it", when, data)
			}
		case err != nil:
			t.Fatal(err)
		case string(got) != data:
			t.Errorf("%s: the blob of %q holds %q", when, data, got)
		}
	}
}

// TestNoNameWithoutBlob cuts the power under the blobs of a store at every step while months with
// evidence are saved: whatever was committed names only blobs that are there.
func TestNoNameWithoutBlob(t *testing.T) {
	save := func(d *cutDisk, dir string) (steps int) {
		d.steps = 0
		db, err := Open(t.Context(), Options{Dir: dir, Create: true, Blobs: &folder{root: "/blobs", fs: d}})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close() //nolint:errcheck // a test
		for _, agr := range []string{"AGR-1", "AGR-2"} {
			name, err := db.PutBlob(t.Context(), []byte(strings.Repeat(agr, 1000)))
			if errors.Is(err, errCut) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.SaveMonth(t.Context(), Month{Agreement: agr, Month: calendar.MustMonth("2026-03"), Status: "drafted", Evidence: []string{name}}, "")
			if err != nil {
				t.Fatal(err)
			}
		}
		return d.steps
	}
	steps := save(newCutDisk(), t.TempDir())
	for cut := 1; cut <= steps; cut++ {
		d, dir := newCutDisk(), t.TempDir()
		d.cutAt = cut
		save(d, dir)
		for fate, f := range fates {
			db, err := Open(t.Context(), Options{Dir: dir, Blobs: &folder{root: "/blobs", fs: d.reboot(f.names, f.data)}})
			if err != nil {
				t.Fatal(err)
			}
			findings, _, err := db.Check(t.Context())
			if err != nil || len(findings) > 0 {
				t.Errorf("cut at step %d, %s: %v, %v", cut, fate, findings, err)
			}
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
