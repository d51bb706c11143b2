// Package figures sums up times, collects failures, and talks to the caller: a line of JSON out, a line in to go on.
package figures

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// Spread is what a list of times comes to, in milliseconds.
type Spread struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Of sorts the times and sums them up; nearest rank.
func Of(times []time.Duration) Spread {
	if len(times) == 0 {
		return Spread{}
	}
	slices.Sort(times)
	at := func(share float64) float64 {
		return float64(times[int(share*float64(len(times)-1)+0.5)].Nanoseconds()) / 1e6
	}
	return Spread{at(0.5), at(0.99), at(1)}
}

// Failures counts all and keeps the first few texts.
type Failures struct {
	mu    sync.Mutex
	count int
	texts []string
}

const kept = 5

// Add notes a failure; a nil error is none. It says whether there was one.
func (f *Failures) Add(err error) bool {
	if err == nil {
		return false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count++
	if text := err.Error(); len(f.texts) < kept && !slices.Contains(f.texts, text) {
		f.texts = append(f.texts, text)
	}
	return true
}

// Found gives the number and the first texts.
func (f *Failures) Found() (int, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count, append([]string{}, f.texts...)
}

var input = bufio.NewReader(os.Stdin)

// Tell writes a line.
func Tell(event string, facts map[string]any) {
	line := map[string]any{"event": event}
	for name, value := range facts {
		line[name] = value
	}
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

// Wait is for the caller's next line, or the end of its patience with us.
func Wait() {
	_, _ = input.ReadString('\n')
}

// CPU is what this process has used of the processors, in seconds.
func CPU() float64 {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
}

// Must ends the program when it cannot run at all.
func Must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot run:", err)
		os.Exit(2)
	}
}
