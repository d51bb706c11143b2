package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/bench/internal/service"
)

// errDone ends a worker that has nothing more to do.
var errDone = errors.New("done")

type disturbance struct {
	options *service.Options
	names   int
	number  atomic.Int64
	mu      sync.Mutex
	held    []io.Closer
}

func (d *disturbance) hold(connection io.Closer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = append(d.held, connection)
}

func (d *disturbance) close() {
	for _, connection := range d.held {
		_ = connection.Close()
	}
}

// list asks for all key names again and again.
func (d *disturbance) list() (turn, error) {
	client, _, err := d.options.SDK()
	return func(ctx context.Context) error {
		names, _, err := client.ListKeys(ctx, "", 0)
		if err == nil && len(names) < d.names {
			err = fmt.Errorf("%d of %d names are listed", len(names), d.names)
		}
		return err
	}, err
}

// metrics are fetched as by a scraper in a hurry; not decoded, to leave the processors to the server.
func (d *disturbance) metrics() (turn, error) {
	client, _, err := d.options.SDK()
	return func(ctx context.Context) error {
		response, err := get(ctx, client, d.options.Endpoint+"/v1/metrics")
		if err != nil {
			return err
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err == nil && !bytes.Contains(text, []byte("kes_http_request_success")) {
			err = errors.New("the metrics do not count requests")
		}
		return err
	}, err
}

// stream follows the audit log; a turn is some of its bytes.
func (d *disturbance) stream() (turn, error) {
	client, _, err := d.options.SDK()
	if err != nil {
		return nil, err
	}
	var body io.ReadCloser
	buffer := make([]byte, 64<<10)
	return func(ctx context.Context) error {
		if body == nil {
			response, err := get(ctx, client, d.options.Endpoint+"/v1/log/audit")
			if err != nil {
				return err
			}
			body = response.Body
			return nil // lines come with the next calls
		}
		_, err := body.Read(buffer)
		return err
	}, nil
}

// pause before the next question to a server that has given its key store up.
const pause = time.Second

// absent asks for keys that are not in memory, each of which must be looked for in the key store. Both are right: that
// there is none, and that the store is too slow to say.
func (d *disturbance) absent() (turn, error) {
	client, _, err := d.options.SDK()
	return func(ctx context.Context) error {
		_, err := client.DescribeKey(ctx, fmt.Sprintf("absent-%d", d.number.Add(1)))
		var answer kes.Error
		switch {
		case err == nil:
			return errors.New("a key that is not there is described")
		case ctx.Err() != nil || errors.Is(err, kes.ErrKeyNotFound):
			return nil
		case errors.As(err, &answer) && (answer.Status() == http.StatusGatewayTimeout || answer.Status() == http.StatusBadGateway):
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			return nil
		}
		return err
	}, err
}

func get(ctx context.Context, client *kes.Client, url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := client.HTTPClient.Do(request)
	if err == nil && response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		_ = response.Body.Close()
		return nil, fmt.Errorf("%s: %s %s", url, response.Status, strings.TrimSpace(string(text)))
	}
	return response, err
}
