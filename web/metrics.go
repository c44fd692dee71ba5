package web

import (
	"context"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/arrears-billing/arrears"
	"github.com/arrears-billing/arrears/calendar"
)

// metricMonths is how many months back the metrics go: what is older and still open is in the
// oldest age.
const metricMonths = 3

// metrics answers a scrape from what is stored, whoever did it: a month that was not run shows as
// such whether this process was to run it or another.
type metrics struct{ Options }

var (
	agreementsDesc = prometheus.NewDesc("arrears_agreement_months", "Agreement-months by billing month and state.", []string{"month", "status"}, nil)
	oldestDesc     = prometheus.NewDesc("arrears_oldest_state_seconds", "For how long the first agreement-month of a state has been in it.", []string{"status"}, nil)
	moneyDesc      = prometheus.NewDesc("arrears_net_amount", "Net totals of documents by billing month, state and currency, in units of the currency; credit notes negative.", []string{"month", "status", "currency"}, nil)
	openDesc       = prometheus.NewDesc("arrears_open_months", "Agreement-months that are due and not settled.", []string{"status"}, nil)
	firedDesc      = prometheus.NewDesc("arrears_task_last_success_timestamp_seconds", "When a task of the schedule last ended without an error.", []string{"task"}, nil)
	failuresDesc   = prometheus.NewDesc("arrears_task_failures", "Failed firings of a task in a row.", []string{"task"}, nil)
	buildDesc      = prometheus.NewDesc("arrears_build_info", "What is running.", []string{"version", "commit"}, nil)
)

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{agreementsDesc, oldestDesc, moneyDesc, openDesc, firedDesc, failuresDesc, buildDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector. What cannot be read is missing from the scrape, which
// can be alerted on, and in the log.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(buildDesc, 1, m.Version, m.Commit)
	now := m.Now()
	err := m.Read(ctx, func(e *arrears.Engine) error {
		tallies, err := e.Tallies(ctx, calendar.MonthOf(now).Add(-metricMonths))
		if err != nil {
			return err
		}
		counts := map[[2]string]int{}
		oldest := map[string]time.Time{}
		for _, t := range tallies {
			counts[[2]string{t.Month.String(), t.Status}] += t.Count
			if o, ok := oldest[t.Status]; !ok || t.Oldest.Before(o) {
				oldest[t.Status] = t.Oldest
			}
			if t.Currency != "" {
				v, err := strconv.ParseFloat(t.Net.String(), 64) // a metric is a float; nothing is computed with it
				if err != nil {
					return err
				}
				gauge(moneyDesc, v, t.Month.String(), t.Status, string(t.Currency))
			}
		}
		for k, n := range counts {
			gauge(agreementsDesc, float64(n), k[0], k[1])
		}
		for s, since := range oldest {
			gauge(oldestDesc, now.Sub(since).Seconds(), s)
		}
		open, err := e.OpenMonths(ctx)
		if err != nil {
			return err
		}
		openBy := map[string]int{arrears.Waiting: 0, arrears.Blocked: 0, arrears.Drafted: 0, arrears.Restated: 0}
		for _, o := range open {
			openBy[o.Status]++
		}
		for s, n := range openBy {
			gauge(openDesc, float64(n), s)
		}
		tasks, err := e.Tasks(ctx)
		for _, t := range tasks {
			if !t.Succeeded.IsZero() {
				gauge(firedDesc, float64(t.Succeeded.Unix()), t.Name)
			}
			gauge(failuresDesc, float64(t.Failures), t.Name)
		}
		return err
	})
	if err != nil {
		m.Log.Error("metrics: the data does not answer", "error", err)
	}
}
