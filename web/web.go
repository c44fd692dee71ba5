// Package web is what a program that stays shows over HTTP: whether it is well, its metrics, and,
// as they are built, the API and the console. It calls the root package's verbs and holds no rule,
// no SQL and no arithmetic on money.
package web

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/arrears-billing/arrears"
)

// Options say what is served.
type Options struct {
	// Read opens the data for reading, for the time of do.
	Read func(ctx context.Context, do func(*arrears.Engine) error) error
	Now  func() time.Time
	Log  *slog.Logger

	Version, Commit string
}

// New returns the handler of all there is.
func New(o Options) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		&metrics{Options: o},
	)
	mux := http.NewServeMux()
	// The process answers: it need not be started again.
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		plain(w, http.StatusOK, "ok")
	})
	// The data answers: requests may be sent here.
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		err := o.Read(ctx, func(e *arrears.Engine) error {
			_, err := e.Tasks(ctx)
			return err
		})
		if err != nil {
			o.Log.Warn("not ready", "error", err)
			plain(w, http.StatusServiceUnavailable, "the data does not answer")
			return
		}
		plain(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{Timeout: 30 * time.Second}))
	return headers(mux)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
}

// headers are on every answer.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Content-Security-Policy", "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		next.ServeHTTP(w, r)
	})
}
