// Disturb keeps a key server busy with what is not the calls that matter, until stdin ends. It prints a line when
// every worker has had its first turn, and another at the end: how many turns there were, and what was wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"openkes.invalid/bench/internal/figures"
	"openkes.invalid/bench/internal/service"
)

// turn is one round of a worker.
type turn func(ctx context.Context) error

func main() {
	what := flag.String("what", "list", "list, metrics, stream, unread or absent")
	atLeast := flag.Int("names", 0, "of list: how many there are at least")
	options := service.Flags()
	flag.Parse()
	d := &disturbance{options: options, names: *atLeast}
	kinds := map[string]func() (turn, error){
		"list": d.list, "metrics": d.metrics, "stream": d.stream, "unread": d.unread, "absent": d.absent,
	}
	begin, known := kinds[*what]
	if !known {
		figures.Must(fmt.Errorf("-what %q is not known", *what))
	}
	ctx, stop := context.WithCancel(context.Background())
	wrong := &figures.Failures{}
	var turns atomic.Int64
	var first, all sync.WaitGroup
	for range options.Workers {
		first.Add(1)
		all.Add(1)
		go func() {
			defer all.Done()
			started := sync.OnceFunc(first.Done)
			defer started()
			do, err := begin()
			for err == nil {
				if err = do(ctx); ctx.Err() != nil {
					return
				}
				if err == nil {
					turns.Add(1)
					started()
				}
			}
			if !errors.Is(err, errDone) {
				wrong.Add(err)
			}
		}()
	}
	first.Wait()
	figures.Tell("ready", nil)
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	d.close()
	all.Wait()
	failed, texts := wrong.Found()
	figures.Tell("report", map[string]any{"turns": turns.Load(), "failed": failed, "failures": texts})
}
