// Listing makes thousands of keys and finds every one of them again through the SDK's iterator.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

func main() {
	count := flag.Int("count", 3000, "keys to make")
	o := harness.Parse()
	client, protocols := o.Client(harness.Must(o.TLS()))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c := &harness.Checks{}

	names := make([]string, *count)
	work := make(chan string)
	var makers sync.WaitGroup
	for range 16 {
		makers.Add(1)
		go func() {
			defer makers.Done()
			for name := range work {
				c.OK(client.CreateKey(ctx, name), name)
			}
		}()
	}
	for i := range names {
		names[i] = fmt.Sprintf("listed-%05d", i)
		work <- names[i]
	}
	close(work)
	makers.Wait()

	check := func(what string, got, want []string) {
		c.True(slices.Equal(got, want), "%s: %d names, not %d", what, len(got), len(want))
	}
	iterator := kes.ListIter[string]{NextFunc: client.ListKeys}
	check("everything", collect(ctx, c, &iterator), names)
	for _, prefix := range []string{"listed-", "listed-0", "listed-01", "listed-0299", "listed-00000", "other"} {
		var want []string
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		for _, asked := range []string{prefix, prefix + "*"} {
			got, at, err := client.ListKeys(ctx, asked, 0)
			c.True(err == nil && at == "", "list %q: %q, %v", asked, at, err)
			check(asked, got, want)
		}
		first, err := iterator.SeekTo(ctx, prefix)
		if len(want) == 0 {
			c.True(err == io.EOF, "seek to %q: %v", prefix, err)
			continue
		}
		c.OK(err, "seek to "+prefix)
		check("seek to "+prefix, append([]string{first}, collect(ctx, c, &iterator)...), want)
	}
	c.Fact("protocols", protocols.Count())
	c.Finish()
}

func collect(ctx context.Context, c *harness.Checks, iterator *kes.ListIter[string]) []string {
	var all []string
	for {
		name, err := iterator.Next(ctx)
		if err != nil {
			c.True(err == io.EOF, "end of the list: %v", err)
			return all
		}
		all = append(all, name)
	}
}
