package store

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lockEvery is how often a waiting writer looks again.
const lockEvery = 50 * time.Millisecond

// lockDir takes the writer's lock of a data folder. The lock is the operating system's: it ends
// with the process, however that ends, so a lock file that lies around locks nothing.
func lockDir(ctx context.Context, o Options) (io.Closer, error) {
	f, err := os.OpenFile(filepath.Join(o.Dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = wait(ctx, o, func() (bool, error) { return tryLock(f, o.Shared) }, func() string { return readHolder(f) })
	if err == nil {
		err = writeHolder(f, o)
	}
	if err != nil {
		f.Close() //nolint:errcheck,gosec // nothing was written that matters
		return nil, err
	}
	return f, nil
}

// wait tries to take a lock for as long as the options say; then it is a BusyError with its holder.
func wait(ctx context.Context, o Options, try func() (bool, error), holder func() string) error {
	for waited := time.Duration(0); ; waited += lockEvery {
		ok, err := try()
		if ok || err != nil {
			return err
		}
		if waited >= o.Wait {
			return &BusyError{holder()}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockEvery):
		}
	}
}

// writeHolder says in the lock file who holds it.
func writeHolder(f *os.File, o Options) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.WriteAt([]byte(holderText(o)+"\n"), 0)
	return err
}

func holderText(o Options) string {
	command := o.Command
	if command == "" {
		command = "a program"
	}
	return fmt.Sprintf("%s (process %d, since %s)", command, os.Getpid(), o.Now().UTC().Format(time.RFC3339))
}

func readHolder(f *os.File) string {
	b := make([]byte, 500)
	n, _ := f.ReadAt(b, 0) // a short file is io.EOF and all there is
	if s := strings.TrimSpace(string(b[:n])); s != "" {
		return s
	}
	return "it has not said which"
}
