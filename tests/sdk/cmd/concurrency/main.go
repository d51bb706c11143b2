// Concurrency has many callers on one SDK client, as MinIO has, each with its own context and
// plaintext: nobody may get another's answer. It also counts the TLS connections that this took.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"openkes.invalid/sdk/internal/harness"
)

func main() {
	workers := flag.Int("workers", 32, "callers at once")
	rounds := flag.Int("rounds", 25, "rounds of each")
	o := harness.Parse()
	config := harness.Must(o.TLS())
	client, protocols := o.Client(config)
	dials := countDials(client.HTTPClient.Transport)
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := &harness.Checks{}

	name := harness.Unique("sdk-concurrency")
	if !c.OK(client.CreateKey(ctx, name), "create") {
		c.Finish()
	}
	var all sync.WaitGroup
	for worker := range *workers {
		all.Add(1)
		go func() {
			defer all.Done()
			for round := range *rounds {
				mine := []byte(fmt.Sprintf(`{"bucket":"bucket/%d-%d"}`, worker, round))
				dek, err := client.GenerateKey(ctx, name, mine)
				if !c.OK(err, "generate") {
					return
				}
				plain, err := client.Decrypt(ctx, name, dek.Ciphertext, mine)
				c.True(err == nil && bytes.Equal(plain, dek.Plaintext), "decrypt of %s: %v", mine, err)
				sealed, err := client.Encrypt(ctx, name, mine, mine)
				if c.OK(err, "encrypt") {
					plain, err = client.Decrypt(ctx, name, sealed, mine)
					c.True(err == nil && bytes.Equal(plain, mine), "got %q for %q: %v", plain, mine, err)
				}
			}
		}()
	}
	all.Wait()

	// One name, many creators: one wins.
	var won atomic.Int32
	for range *workers {
		all.Add(1)
		go func() {
			defer all.Done()
			if client.CreateKey(ctx, name+"-race") == nil {
				won.Add(1)
			}
		}()
	}
	all.Wait()
	c.True(won.Load() == 1, "%d of %d creators of one name won", won.Load(), *workers)
	c.OK(client.DeleteKey(ctx, name+"-race"), "delete")
	c.OK(client.DeleteKey(ctx, name), "delete")
	c.Fact("protocols", protocols.Count())
	c.Fact("connections", dials.Load())
	c.Finish()
}

func countDials(transport http.RoundTripper) *atomic.Int64 {
	count := &atomic.Int64{}
	if wrapped, ok := transport.(*harness.Protocols); ok {
		if inner, ok := wrapped.Next().(*http.Transport); ok {
			dialer := &net.Dialer{Timeout: 10 * time.Second}
			inner.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				count.Add(1)
				return dialer.DialContext(ctx, network, address)
			}
		}
	}
	return count
}
