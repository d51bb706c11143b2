// Good is a client that behaves: a data key 100 times a second on a connection that stays, and twice a second one
// on a new connection. A line on stdin ends a phase and prints its figures; the end of stdin ends the program.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"openkes.invalid/trials/internal/client"
)

type phase struct {
	mu       sync.Mutex
	kept     []time.Duration
	fresh    []time.Duration
	failures []string
}

func (p *phase) add(kept bool, took time.Duration, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err != nil:
		p.failures = append(p.failures, err.Error())
	case kept:
		p.kept = append(p.kept, took)
	default:
		p.fresh = append(p.fresh, took)
	}
}

func main() {
	path := flag.String("path", "", "what to call")
	flag.Parse()
	transport := func(keep bool) *http.Client {
		next := &http.Transport{
			TLSClientConfig: client.Config(), ForceAttemptHTTP2: *client.HTTP == 2,
			DisableKeepAlives: !keep, MaxIdleConnsPerHost: 8,
		}
		return &http.Client{Transport: next, Timeout: client.Patience}
	}
	kept, fresh := transport(true), transport(false)
	call := func(how *http.Client, keep bool, into *phase) {
		begin := time.Now()
		err := generate(how, *path)
		into.add(keep, time.Since(begin), err)
	}
	var mu sync.Mutex
	current := &phase{}
	now := func() *phase { mu.Lock(); defer mu.Unlock(); return current }
	ctx, stop := context.WithCancel(context.Background())
	go every(ctx, 10*time.Millisecond, func() { call(kept, true, now()) })
	go every(ctx, 500*time.Millisecond, func() { call(fresh, false, now()) })
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		mu.Lock()
		done := current
		current = &phase{}
		mu.Unlock()
		done.mu.Lock()
		_ = json.NewEncoder(os.Stdout).Encode(map[string]any{
			"kept": client.Of(done.kept), "fresh": client.Of(done.fresh), "failures": done.failures,
		})
		done.mu.Unlock()
	}
	stop()
}

// every starts calls at a steady pace, however long they take: a slow answer must not hide the next ones.
func every(ctx context.Context, pace time.Duration, call func()) {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			go call()
		}
	}
}

func generate(how *http.Client, path string) error {
	response, err := how.Post("https://"+*client.Address+path, "application/json", strings.NewReader("{}"))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%d %s", response.StatusCode, body)
	}
	return err
}
