package main

import (
	"context"
	"sync"
	"time"
)

// paced makes calls at a rate, whatever becomes of those before: a server that stands still for a while shows in all
// calls of that while, not in one.
type paced struct {
	made   *verifier
	rate   float64
	length time.Duration
}

func (p *paced) warm(ctx context.Context) {
	p.loop(ctx, p.length/5)
}

func (p *paced) run(ctx context.Context) ([]time.Duration, time.Duration) {
	return p.loop(ctx, p.length)
}

func (p *paced) loop(ctx context.Context, length time.Duration) ([]time.Duration, time.Duration) {
	var mu sync.Mutex
	var times []time.Duration
	var all sync.WaitGroup
	begin, count := time.Now(), max(1, int(length.Seconds()*p.rate))
	for number := range count {
		time.Sleep(time.Until(begin.Add(time.Duration(float64(number) / p.rate * float64(time.Second)))))
		all.Add(1)
		go func() {
			defer all.Done()
			start := time.Now()
			_, err := p.made.generate(ctx)
			took := time.Since(start)
			if !p.made.wrong.Add(err) {
				mu.Lock()
				times = append(times, took)
				mu.Unlock()
			}
		}()
	}
	all.Wait()
	return times, time.Since(begin)
}
