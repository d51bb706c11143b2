package main

import (
	"context"
	"slices"
	"sync"
	"time"
)

// closed has workers that each call again as soon as they are answered.
type closed struct {
	made    *verifier
	workers int
	length  time.Duration
}

// giveUp is after so many failures of one worker in a row: a server that refuses everything is not measured.
const giveUp = 10

func (c *closed) warm(ctx context.Context) {
	c.loop(ctx, c.length/5)
}

func (c *closed) run(ctx context.Context) ([]time.Duration, time.Duration) {
	return c.loop(ctx, c.length)
}

func (c *closed) loop(ctx context.Context, length time.Duration) ([]time.Duration, time.Duration) {
	times := make([][]time.Duration, c.workers)
	begin := time.Now()
	var all sync.WaitGroup
	for worker := range c.workers {
		all.Add(1)
		go func() {
			defer all.Done()
			own := make([]time.Duration, 0, 4096)
			for failed, first := 0, true; failed < giveUp && (first || time.Since(begin) < length); first = false {
				start := time.Now()
				_, err := c.made.generate(ctx)
				took := time.Since(start)
				if c.made.wrong.Add(err) {
					failed++
					continue
				}
				failed, own = 0, append(own, took)
			}
			times[worker] = own
		}()
	}
	all.Wait()
	return slices.Concat(times...), time.Since(begin)
}
