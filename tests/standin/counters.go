package main

import (
	"fmt"
	"sort"
	"strings"
	"sync"
)

// tally counts KES calls by name and outcome.
type tally struct {
	mu     sync.Mutex
	calls  map[string]int
	errors map[string]int
}

// note runs one call and counts it.
func (t *tally) note(name string, call func() error) error {
	err := call()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.calls == nil {
		t.calls, t.errors = map[string]int{}, map[string]int{}
	}
	t.calls[name]++
	if err != nil {
		t.errors[name]++
	}
	return err
}

// snapshot gives calls and errors by name.
func (t *tally) snapshot() map[string]map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]map[string]int{}
	for name, n := range t.calls {
		out[name] = map[string]int{"calls": n, "errors": t.errors[name]}
	}
	return out
}

func (t *tally) String() string {
	var parts []string
	for name, n := range t.snapshot() {
		parts = append(parts, fmt.Sprintf("%s=%d (%d failed)", name, n["calls"], n["errors"]))
	}
	if len(parts) == 0 {
		return "none"
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}
