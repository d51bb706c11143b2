// Metrics reads the server's figures before and after some calls: the SDK finds what it looks for, and it moves.
package main

import (
	"context"
	"slices"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

const calls = 20

func main() {
	o := harness.Parse()
	client, protocols := o.Client(harness.Must(o.TLS()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &harness.Checks{}

	before, err := client.Metrics(ctx)
	if !c.OK(err, "metrics") {
		c.Finish()
	}
	name := harness.Unique("metrics")
	for range calls {
		_, err = client.Version(ctx)
		c.OK(err, "version")
		_, err = client.DescribeKey(ctx, name)
		c.Is(err, kes.ErrKeyNotFound, "describe a missing key")
	}
	after, err := client.Metrics(ctx)
	if !c.OK(err, "metrics again") {
		c.Finish()
	}
	c.True(after.RequestOK >= before.RequestOK+calls, "good requests: %d, then %d", before.RequestOK, after.RequestOK)
	c.True(after.RequestErr >= before.RequestErr+calls, "bad requests: %d, then %d", before.RequestErr, after.RequestErr)
	c.True(after.RequestFail == before.RequestFail, "failed requests: %d, then %d", before.RequestFail, after.RequestFail)
	c.True(after.RequestActive >= 1, "this request is active: %d", after.RequestActive)
	// The SDK cuts it to whole seconds.
	c.True(after.UpTime >= 0 && after.UpTime < time.Hour, "up time %v", after.UpTime)
	c.True(after.CPUs > 0 && after.UsableCPUs > 0 && after.Threads > 0, "machine: %+v", after)
	c.True(after.HeapAlloc > 0, "memory: %+v", after)
	histogram(c, before, after)
	audited(ctx, c, client, before.AuditEvents+2*calls)
	c.Fact("protocols", protocols.Count())
	c.Finish()
}

// audited waits until so many lines are counted: outside mode "required" a line is written after its answer.
func audited(ctx context.Context, c *harness.Checks, client *kes.Client, least uint64) {
	var events uint64
	for events < least && ctx.Err() == nil {
		now, err := client.Metrics(ctx)
		if !c.OK(err, "metrics until all is audited") {
			return
		}
		events = now.AuditEvents
	}
	c.True(events >= least, "audit events: %d of %d", events, least)
}

// histogram checks that counts grow with time's limits, and that every call is in the last one.
func histogram(c *harness.Checks, before, after kes.Metric) {
	var limits []time.Duration
	for limit := range after.LatencyHistogram {
		limits = append(limits, limit)
	}
	slices.Sort(limits)
	if !c.True(len(limits) > 5, "few buckets: %v", limits) {
		return
	}
	var last uint64
	for _, limit := range limits {
		count := after.LatencyHistogram[limit]
		c.True(count >= last, "bucket %v has %d, the one below %d", limit, count, last)
		last = count
	}
	top := limits[len(limits)-1]
	c.True(last >= before.LatencyHistogram[top]+2*calls, "calls within %v: %d, then %d", top, before.LatencyHistogram[top], last)
}
