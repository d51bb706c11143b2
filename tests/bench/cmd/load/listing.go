package main

import (
	"context"
	"sync"
	"time"
)

// listing opens the data keys of many objects one after the other, as MinIO does when it lists encrypted objects.
type listing struct {
	made    *verifier
	calls   int
	objects []sample
}

func (l *listing) warm(ctx context.Context) {
	const makers = 16
	l.objects = make([]sample, l.calls)
	var all sync.WaitGroup
	for maker := range makers {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := maker; i < l.calls; i += makers {
				var err error
				l.objects[i], err = l.made.generate(ctx)
				l.made.wrong.Add(err)
			}
		}()
	}
	all.Wait()
}

func (l *listing) run(ctx context.Context) ([]time.Duration, time.Duration) {
	times := make([]time.Duration, 0, l.calls)
	begin := time.Now()
	for _, object := range l.objects {
		start := time.Now()
		err := l.made.decrypt(ctx, object)
		took := time.Since(start)
		if !l.made.wrong.Add(err) {
			times = append(times, took)
		}
	}
	return times, time.Since(begin)
}
