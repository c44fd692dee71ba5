package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by make release (-ldflags -X); go install and go build leave it to the module's.
var version string

// A build says what program this is.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Date    string `json:"date"` // of the commit: two builds of it are the same bytes
	Go      string `json:"go"`
}

func buildVersion() build {
	b := build{Version: version, Go: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	modified := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				modified = "+changed"
			}
		}
	}
	if b.Commit != "" {
		b.Commit += modified
	}
	return b
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show what program this is", Args: cobra.NoArgs, GroupID: "keep",
		RunE: func(*cobra.Command, []string) error {
			b := buildVersion()
			if a.json {
				return a.print(b)
			}
			fmt.Fprintf(a.stdout, "arrears %s\ncommit %s\ndate   %s\ngo     %s\n", orDash(b.Version), orDash(b.Commit), orDash(b.Date), b.Go)
			return nil
		},
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// isTerminal says that a person reads what is written.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
