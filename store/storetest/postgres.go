//go:build unix

package storetest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"github.com/arrears-billing/arrears/store"
)

// A Postgres is a private server for one test: in a temporary folder, on loopback, without fsync.
type Postgres struct {
	bin     string // folder of the server's programs
	url     url.URL
	schemas atomic.Int64
}

// Restore checks that pg_dump and pg_restore copy a store.
func (p *Postgres) Restore(t *testing.T) {
	t.Helper()
	original := &postgresPlace{server: p, url: p.URL(t), dir: filepath.Join(t.TempDir(), "data")}
	must(t, p.exec(t.Context(), p.url.String(), `create database restored`))
	u, err := url.Parse(original.url)
	must(t, err)
	u.Path = "/restored"
	copied := &postgresPlace{server: p, url: u.String(), dir: filepath.Join(t.TempDir(), "copy")}
	Restore(t, original, copied, func() {
		file := filepath.Join(t.TempDir(), "arrears.pgdump")
		from, to := p.url, p.url
		to.Path = "/restored"
		for _, cmd := range []*exec.Cmd{
			exec.Command(filepath.Join(p.bin, "pg_dump"), "--format=custom", "--schema", u.Query().Get("search_path"), "--file", file, from.String()), //nolint:gosec,noctx // a test's
			exec.Command(filepath.Join(p.bin, "pg_restore"), "--exit-on-error", "--dbname", to.String(), file),                                        //nolint:gosec,noctx // a test's
		} {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", cmd, err, out)
			}
		}
		must(t, os.CopyFS(copied.dir, os.DirFS(original.dir)))
	})
}

// StartPostgres starts a server and stops it when the test ends, or when the test is killed.
// Without PostgreSQL on the machine the test is skipped; with CI=true it fails.
func StartPostgres(t *testing.T) *Postgres {
	t.Helper()
	bin, err := postgresFolder()
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "arrears-postgres-") //nolint:usetesting // another user must get in
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	as := unprivileged(t, dir)
	data := filepath.Join(dir, "data")

	// A locale in which text is not sorted bytewise, if there is one: the store must not care.
	args := []string{"-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions"}
	out, err := command(dir, as, filepath.Join(bin, "initdb"), append(args, "--locale-provider=icu", "--icu-locale=en-US", "--locale=C")...).CombinedOutput()
	if err != nil {
		must(t, os.RemoveAll(data))
		out, err = command(dir, as, filepath.Join(bin, "initdb"), append(args, "--locale=C")...).CombinedOutput()
	}
	if err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	for range 3 { // the port may be taken between the choice and the start
		var p *Postgres
		if p, err = start(t, dir, filepath.Join(bin, "postgres"), data, as); err == nil {
			p.bin = bin
			return p
		}
	}
	t.Fatal(err)
	return nil
}

// postgresFolder finds the server's programs.
func postgresFolder() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		path, err = filepath.EvalSymlinks(path)
		return filepath.Dir(path), err
	}
	list, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("PostgreSQL: no initdb in PATH or /usr/lib/postgresql: %w", fs.ErrNotExist)
	}
	if err != nil {
		return "", err
	}
	return filepath.Dir(slices.Max(list)), nil
}

// unprivileged gives the folder to somebody the server can run as: it refuses to be root.
func unprivileged(t *testing.T, dir string) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		must(t, err)
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		must(t, err)
		must(t, os.Chown(dir, int(uid), int(gid)))
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	}
	t.Fatal("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
	return nil
}

func command(dir string, as *syscall.Credential, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...) //nolint:noctx // ended by its stdin
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "LC_ALL=C", "LANG=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	return cmd
}

// start runs the server under a shell that stops it when its own standard input ends, which it
// does when the test process ends, however that ends.
func start(t *testing.T, dir, program, data string, as *syscall.Credential) (*Postgres, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // to find a free port
	must(t, err)
	port := l.Addr().(*net.TCPAddr).Port
	must(t, l.Close())

	cmd := command(dir, as, "sh", "-c", `"$0" "$@" </dev/null & server=$!; read wait; kill -INT $server; wait $server`,
		program, "-D", data, "-p", strconv.Itoa(port), "-k", dir, "-c", "listen_addresses=127.0.0.1",
		"-c", "max_connections=200", "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "log_min_messages=warning")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	stdin, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	stop := func() {
		stdin.Close() //nolint:errcheck,gosec // a pipe
		if err := cmd.Wait(); err != nil {
			t.Logf("postgres: %v", err)
		}
	}

	p := &Postgres{url: url.URL{Scheme: "postgres", User: url.User("postgres"), Host: fmt.Sprintf("127.0.0.1:%d", port), Path: "/postgres"}}
	for range 600 { // half a minute
		if err = p.exec(t.Context(), p.url.String(), `select 1`); err == nil {
			t.Cleanup(stop)
			return p, nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	return nil, fmt.Errorf("postgres did not start: %w\n%s", err, log.String())
}

func (p *Postgres) exec(ctx context.Context, url string, statements ...string) error {
	db, err := sql.Open("pgx", url)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // Exec tells
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// URL returns the URL of a new, empty schema on the server.
func (p *Postgres) URL(t *testing.T) string {
	t.Helper()
	schema := fmt.Sprintf("s%d", p.schemas.Add(1))
	must(t, p.exec(t.Context(), p.url.String(), `create schema `+schema))
	u := p.url
	u.RawQuery = url.Values{"search_path": {schema}, "sslmode": {"disable"}}.Encode()
	return u.String()
}

// Place returns an empty place on the server.
func (p *Postgres) Place(t *testing.T) Place {
	t.Helper()
	return &postgresPlace{server: p, url: p.URL(t), dir: filepath.Join(t.TempDir(), "data")}
}

type postgresPlace struct {
	server   *Postgres
	url, dir string
}

func (p *postgresPlace) Open(ctx context.Context, o store.Options) (*store.DB, error) {
	o.URL, o.Dir = p.url, p.dir
	return store.Open(ctx, o)
}

func (p *postgresPlace) Reset(t *testing.T) {
	t.Helper()
	p.url = p.server.URL(t)
	must(t, os.RemoveAll(p.dir))
}

func (p *postgresPlace) Exec(t *testing.T, statements ...string) {
	t.Helper()
	must(t, p.server.exec(t.Context(), p.url, append([]string{`set session_replication_role = replica`}, statements...)...))
}
