// Command aws-simulator runs AWS on loopback: see docs/SIMULATOR.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/arrears-billing/arrears/aws/simulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "aws-simulator:", err)
		os.Exit(2)
	}
}

// run serves until the context ends. It prints the address once it listens, so that whoever
// started it on port 0 can read where it is.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("aws-simulator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	listen := flags.String("listen", "127.0.0.1:4566", "`address` to listen on; port 0 takes a free one")
	now := flags.String("now", "", "stop the clock at this `time` (RFC 3339); default: the machine's time, running")
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: aws-simulator [--listen ADDR] [--now TIME]")
		fmt.Fprintln(stderr, "AWS on loopback, for tests and demos. Point any AWS client at it by AWS_ENDPOINT_URL.")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q\nhint: aws-simulator --listen 127.0.0.1:4566", flags.Arg(0))
	}
	sim := simulator.New(time.Now)
	if *now != "" {
		at, err := time.Parse(time.RFC3339, *now)
		if err != nil {
			return fmt.Errorf("--now %q: not a time\nhint: write it as 2026-02-19T09:00:00Z", *now)
		}
		if err := sim.SetClock(at); err != nil {
			return err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "http://%s\n", l.Addr())
	server := &http.Server{
		Handler:           sim,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx }, // calls that hang end with the program
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(last)
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}
