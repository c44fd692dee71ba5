package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/aws"
	"github.com/arrears-billing/arrears/store"
	"github.com/arrears-billing/arrears/web"
	"github.com/arrears-billing/arrears/worker"
)

// A keeper holds the data of a program that stays. It is open for reading all the time, and for
// writing only while somebody writes: between two tasks, commands on the same data find the
// writer's lock free.
type keeper struct {
	app   *app
	read  *arrears.Engine
	clock worker.Clock

	mu      sync.Mutex
	writing *arrears.Engine
	writers int
}

// openKeeper opens the data, and makes it if there is none.
func (a *app) openKeeper(cmd *cobra.Command, clock worker.Clock) (*keeper, error) {
	e, err := a.engine(cmd, creates) // makes and migrates
	if err == nil {
		err = e.DB.Close()
	}
	if err != nil {
		return nil, err
	}
	settings, err := lifecycleSettings(a.getenv)
	if err != nil {
		return nil, err
	}
	sinks, err := sinksFrom(a.getenv)
	if err != nil {
		return nil, err
	}
	client, err := aws.Open(cmd.Context(), aws.FromEnv(a.getenv))
	if err != nil {
		return nil, err
	}
	h := &keeper{app: a, clock: clock}
	if h.read, err = a.engine(cmd, reads); err == nil {
		h.read.AWS, h.read.Lifecycle, h.read.Sinks = client, settings, sinks
	}
	return h, err
}

func (h *keeper) close() error { return h.read.DB.Close() }

// reading calls do with the data as it is now.
func (h *keeper) reading(_ context.Context, do func(*arrears.Engine) error) error {
	e := *h.read
	e.AsOf = h.clock.Now()
	return do(&e)
}

// write calls do with the data opened for writing; several may write at once.
func (h *keeper) write(ctx context.Context, by string, do func(*arrears.Engine) error) (err error) {
	h.mu.Lock()
	if h.writing == nil {
		db, err := store.Open(context.WithoutCancel(ctx), store.Options{
			Dir: h.app.data, URL: h.app.database, Write: true, Shared: h.app.database != "", Command: "arrears serve",
		})
		if err != nil {
			h.mu.Unlock()
			return err
		}
		e := *h.read
		e.DB = db
		h.writing = &e
	}
	h.writers++
	e := *h.writing
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.writers--; h.writers == 0 {
			err = errors.Join(err, h.writing.DB.Close())
			h.writing = nil
		}
	}()
	e.AsOf, e.By = h.clock.Now(), by
	return do(&e)
}

// task opens the data for a firing: its "now" is that of the firing.
func (h *keeper) task(ctx context.Context, f worker.Firing, do func(*arrears.Engine) error) error {
	return h.write(ctx, "schedule "+f.Task, func(e *arrears.Engine) error {
		e.AsOf = f.Now
		return do(e)
	})
}

// Tasks implements worker.Journal.
func (h *keeper) Tasks(ctx context.Context) ([]arrears.TaskState, error) { return h.read.Tasks(ctx) }

// PutTask implements worker.Journal.
func (h *keeper) PutTask(ctx context.Context, t arrears.TaskState) (kept arrears.TaskState, err error) {
	err = h.write(ctx, "schedule", func(e *arrears.Engine) error {
		kept, err = e.PutTask(ctx, t)
		return err
	})
	return kept, err
}

// shifted is the machine's clock, set to --as-of when the program starts.
type shifted struct {
	worker.RealClock
	by time.Duration
}

// Now implements worker.Clock.
func (s shifted) Now() time.Time { return s.RealClock.Now().Add(s.by) }

// Wait implements worker.Clock.
func (s shifted) Wait(ctx context.Context, t time.Time) error {
	return s.RealClock.Wait(ctx, t.Add(-s.by))
}

// schedule returns the tasks that are not off, with what they do.
func (a *app) schedule(h *keeper) ([]worker.Task, error) {
	issue := a.getenv("ARREARS_ISSUE") == "yes"
	var open worker.Open
	if h != nil {
		open = h.task
	}
	do := map[string]func(context.Context, worker.Firing) (string, bool, error){
		"watch": worker.Watch(open, issue), "close": worker.Close(open, issue), "tick": worker.Tick(open), "verify": worker.Verify(open),
	}
	var list []worker.Task
	for _, t := range tasks {
		expression := a.getenv(cronSetting(t.name))
		if expression == "off" || do[t.name] == nil {
			continue
		}
		c, err := worker.ParseCron(expression, a.getenv("ARREARS_TIME_ZONE"))
		if err != nil {
			return nil, fmt.Errorf("schedule.%s: %w", t.name, err)
		}
		list = append(list, worker.Task{Name: t.name, Cron: c, Do: do[t.name]})
	}
	return list, nil
}

func (a *app) serveCommand() *cobra.Command {
	var listen string
	c := &cobra.Command{
		Use: "serve", Short: "Stay, and do what the schedule says", Args: cobra.NoArgs, GroupID: "service",
		Long: `Stay, and do what the schedule says: draft months when they are due, ask again for what is waited
for, move orders on, prove what is stored. arrears schedule shows the tasks, arrears config the
settings. Nothing is lost by stopping it: what was missed is done when it runs again.

Over HTTP it answers /healthz, /readyz and /metrics (Prometheus).`,
		Example: `  arrears serve
  arrears serve --config /etc/arrears/arrears.yaml --listen 127.0.0.1:8080`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("listen") {
				listen = a.getenv("ARREARS_LISTEN")
			}
			return a.serve(cmd, listen)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "`ADDR` to listen on (default 127.0.0.1:8080; ARREARS_LISTEN)")
	return c
}

// graceful is how long requests and tasks may take to end when the program is told to stop.
const graceful = 10 * time.Second

func (a *app) serve(cmd *cobra.Command, listen string) (err error) {
	log := a.logger()
	clock := shifted{by: time.Until(a.asOf).Round(time.Second)}
	if a.asOfText == "" {
		clock.by = 0
	}
	h, err := a.openKeeper(cmd, clock)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	tasks, err := a.schedule(h)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	schedule := &worker.Schedule{
		Tasks: tasks, Journal: h, Clock: clock, Log: log, OneAtATime: true,
		Holder: fmt.Sprintf("%s/%d/%s", host, os.Getpid(), clock.Now().Format(time.RFC3339Nano)),
	}
	listener, err := (&net.ListenConfig{}).Listen(cmd.Context(), "tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           web.New(web.Options{Read: h.reading, Now: clock.Now, Log: log, Version: buildVersion().Version, Commit: buildVersion().Commit}),
		ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	var parts sync.WaitGroup
	served := make(chan error, 1)
	parts.Go(func() { served <- server.Serve(listener); cancel() })
	parts.Go(func() {
		if err := schedule.Run(ctx); ctx.Err() == nil {
			log.Error("the schedule has ended", "error", err)
		}
	})
	fmt.Fprintf(a.stderr, "listening on http://%s\n", listener.Addr())
	<-ctx.Done()
	log.Info("stopping")
	soon, end := context.WithTimeout(context.WithoutCancel(ctx), graceful)
	defer end()
	if err := server.Shutdown(soon); err != nil {
		log.Warn("requests were cut off", "error", err)
	}
	parts.Wait()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil // told to stop, and stopped
}

// logger writes what happens to stderr: text for a person at a terminal, JSON for programs.
func (a *app) logger() *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.getenv("ARREARS_LOG_LEVEL"))); err != nil {
		level = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: level}
	format := a.getenv("ARREARS_LOG_FORMAT")
	if format == "" && isTerminal(a.terminal) {
		format = "text"
	}
	if format == "text" {
		return slog.New(slog.NewTextHandler(a.stderr, o))
	}
	return slog.New(slog.NewJSONHandler(a.stderr, o))
}

func (a *app) scheduleCommand() *cobra.Command {
	var next int
	c := &cobra.Command{
		Use: "schedule", Short: "Show the tasks, when they run next, and what came of them last", Args: cobra.NoArgs, GroupID: "service",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if next < 0 || next > 1000 {
				a.ran = false
				return fmt.Errorf("--next: %d is not a number from 0 to 1000", next)
			}
			var states []arrears.TaskState
			err := a.with(cmd, reads, func(e *arrears.Engine) (err error) {
				states, err = e.Tasks(cmd.Context())
				return err
			})
			if err != nil && !errors.Is(err, store.ErrNone) { // nothing is stored: nothing has run
				return err
			}
			return a.showSchedule(states, next)
		},
	}
	c.Flags().IntVar(&next, "next", 3, "show the next `N` times")
	return c
}

func (a *app) showSchedule(states []arrears.TaskState, next int) error {
	type last struct {
		At      time.Time  `json:"at"`
		Outcome string     `json:"outcome"` // done | look | failed | running
		Text    string     `json:"text"`
		Ended   *time.Time `json:"ended"`
		Skipped *time.Time `json:"skipped,omitempty"` // a firing that came while one was at work
	}
	type task struct {
		Task string      `json:"task"`
		Cron string      `json:"cron"`
		Zone string      `json:"time_zone"`
		Next []time.Time `json:"next"`
		Last *last       `json:"last"`
		Help string      `json:"does"`
	}
	list, err := a.schedule(nil)
	if err != nil {
		return err
	}
	rows := []task{}
	for _, t := range list {
		r := task{Task: t.Name, Cron: t.Cron.Expression, Zone: t.Cron.Zone.String(), Next: []time.Time{}}
		for at := t.Cron.Next(a.asOf); len(r.Next) < next && !at.IsZero(); at = t.Cron.Next(at) {
			r.Next = append(r.Next, at)
		}
		for _, known := range tasks {
			if known.name == t.Name {
				r.Help = known.help
			}
		}
		for _, s := range states {
			if s.Name != t.Name {
				continue
			}
			r.Last = &last{At: s.Due, Outcome: s.Outcome, Text: s.Note}
			if s.Finished.IsZero() {
				r.Last.Outcome = "running"
			} else {
				r.Last.Ended = &s.Finished
			}
			if !s.Skipped.IsZero() {
				r.Last.Skipped = &s.Skipped
			}
		}
		rows = append(rows, r)
	}
	if a.json {
		return a.print(map[string]any{"tasks": rows})
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "TASK\tCRON\tZONE\tLAST\tOUTCOME\tNEXT")
	for _, r := range rows {
		at, outcome, first := "-", "-", "-"
		if r.Last != nil {
			at, outcome = r.Last.At.Format(time.RFC3339), r.Last.Outcome
		}
		if len(r.Next) > 0 {
			first = r.Next[0].Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", r.Task, r.Cron, r.Zone, at, outcome, first)
		for _, at := range r.Next[min(1, len(r.Next)):] {
			fmt.Fprintf(w, "\t\t\t\t\t%s\n", at.Format(time.RFC3339))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Last != nil && r.Last.Text != "" {
			fmt.Fprintf(a.stdout, "\n%s: %s", r.Task, r.Last.Text)
		}
		if r.Last != nil && r.Last.Skipped != nil {
			fmt.Fprintf(a.stdout, "\n%s: the firing of %s was skipped, the one before was at work", r.Task, r.Last.Skipped.Format(time.RFC3339))
		}
	}
	fmt.Fprintln(a.stdout)
	return nil
}
