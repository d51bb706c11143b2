// Idle holds many connections that have asked once and wait, as MinIO's do. Prints how many are there; a line on
// stdin makes each ask again, and prints how many were answered; the end of stdin ends the program.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"openkes.invalid/trials/internal/client"
)

type held struct {
	mu         sync.Mutex
	connection *tls.Conn
	reader     *bufio.Reader
	last       time.Time
}

const (
	workers = 32               // connections that are opened at a moment
	nudge   = 45 * time.Second // the server closes what is idle for 90 s: on a slow machine opening takes longer
)

func main() {
	count := flag.Int("count", 10000, "connections")
	flag.Parse()
	config := client.Config("http/1.1")
	all := make([]*held, *count)
	refused := run(all, func(i int) error {
		connection, err := client.Dial(config)
		if err != nil {
			return err
		}
		all[i] = &held{connection: connection, reader: bufio.NewReaderSize(connection, 512)}
		return all[i].ask()
	})
	go keep(all)
	encoder := json.NewEncoder(os.Stdout)
	_ = encoder.Encode(map[string]any{"open": *count - len(refused), "refused": refused})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		lost := run(all, func(i int) error { return all[i].ask() })
		_ = encoder.Encode(map[string]any{"answered": *count - len(lost), "lost": lost})
	}
}

func run(all []*held, do func(i int) error) []string {
	var mu sync.Mutex
	var failures []string
	work := make(chan int)
	var done sync.WaitGroup
	for range workers {
		done.Add(1)
		go func() {
			defer done.Done()
			for i := range work {
				if err := do(i); err != nil {
					mu.Lock()
					failures = append(failures, err.Error())
					mu.Unlock()
				}
			}
		}()
	}
	for i := range all {
		work <- i
	}
	close(work)
	done.Wait()
	return failures
}

// ask sends a request and reads the answer. A nil one was never opened.
func (h *held) ask() error {
	if h == nil {
		return io.ErrClosedPipe
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	_ = h.connection.SetDeadline(time.Now().Add(client.Patience))
	if _, err := io.WriteString(h.connection, "GET /version HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(h.reader, nil)
	if err != nil {
		return err
	}
	h.last = time.Now()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

func keep(all []*held) {
	for range time.Tick(time.Second) {
		for _, h := range all {
			if h == nil {
				continue
			}
			h.mu.Lock()
			due := time.Since(h.last) > nudge
			h.mu.Unlock()
			if due {
				_ = h.ask() // what is lost shows when it is counted
			}
		}
	}
}
