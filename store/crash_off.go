//go:build !crash

package store

// crash is a point where the crash test ends the process (crash_on.go, build tag crash).
// Otherwise it is nothing.
func crash(string) {}
