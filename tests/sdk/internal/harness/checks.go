package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
)

// Checks counts what was checked and keeps what was wrong; safe for concurrent use.
type Checks struct {
	mu       sync.Mutex
	done     int
	failures []string
	facts    map[string]any
}

// True notes one check; what says what should have been so.
func (c *Checks) True(ok bool, what string, args ...any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done++
	if !ok {
		c.failures = append(c.failures, fmt.Sprintf(what, args...))
	}
	return ok
}

// OK checks that a call gave no error.
func (c *Checks) OK(err error, what string) bool { return c.True(err == nil, "%s: %v", what, err) }

// Is checks that a call gave exactly this error value: the SDK's callers compare with ==.
func (c *Checks) Is(err, want error, what string) bool {
	return c.True(err == want, "%s: got %v (%T), want %v", what, err, err, want)
}

// Status checks the HTTP status of an error whose text is free.
func (c *Checks) Status(err error, want int, what string) bool {
	status, ok := err.(interface{ Status() int })
	return c.True(ok && status.Status() == want, "%s: got %v (%T), want status %d", what, err, err, want)
}

// Fact puts a figure into the report.
func (c *Checks) Fact(name string, value any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.facts == nil {
		c.facts = map[string]any{}
	}
	c.facts[name] = value
}

// Finish prints the report as JSON on stdout and ends the program: 0 when all was right, else 1.
func (c *Checks) Finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(map[string]any{"checks": c.done, "failures": c.failures, "facts": c.facts})
	if len(c.failures) > 0 || c.done == 0 {
		os.Exit(1)
	}
	os.Exit(0)
}

// Must ends the program when it cannot even begin.
func Must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot run:", err)
		os.Exit(2)
	}
	return value
}

// Unique makes a key name of this run's own, so that what a failed run left behind is in nobody's way.
func Unique(name string) string { return fmt.Sprintf("%s-%d", name, os.Getpid()) }
