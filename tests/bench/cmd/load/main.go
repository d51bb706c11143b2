// Load makes calls of one kind for a while and says how fast they were and whether every answer was right.
//
// Three lines on stdout: "ready" when connections are warm, "ran" with figures when the clock has stopped, "report"
// with what was wrong. After each of the first two it waits for a line on stdin, so that its caller can look at the
// server in between.
package main

import (
	"context"
	"flag"
	"time"

	"openkes.invalid/bench/internal/figures"
	"openkes.invalid/bench/internal/service"
)

var (
	how      = flag.String("how", "closed", "closed: each worker calls again at once; paced: at a rate; listing: decrypts in a row")
	seconds  = flag.Float64("seconds", 3, "how long")
	pace     = flag.Float64("pace", 500, "of paced: calls per second")
	calls    = flag.Int("calls", 1000, "of listing: how many")
	every    = flag.Int("verify", 1000, "open every Nth data key afterwards; 1: all")
	constant = flag.Bool("constant", false, "the server gives one data key to everybody")
)

// patience bounds a run beside its own length: a server that hangs must not hang its caller.
const patience = 60 * time.Second

// load is one way to make calls. warm comes before the clock runs.
type load interface {
	warm(ctx context.Context)
	run(ctx context.Context) ([]time.Duration, time.Duration)
}

func main() {
	options := service.Flags()
	flag.Parse()
	server, count, err := options.Open()
	figures.Must(err)
	length := time.Duration(*seconds * float64(time.Second))
	ctx, cancel := context.WithTimeout(context.Background(), 3*length+3*patience)
	defer cancel()

	wrong := &figures.Failures{}
	made := &verifier{server: server, wrong: wrong, every: *every, constant: *constant}
	var l load
	switch *how {
	case "closed":
		l = &closed{made: made, workers: options.Workers, length: length}
	case "paced":
		l = &paced{made: made, rate: *pace, length: length}
	case "listing":
		l = &listing{made: made, calls: *calls}
	default:
		flag.Usage()
		return
	}
	l.warm(ctx)
	figures.Tell("ready", nil)
	figures.Wait()
	connections, cpu := count.Connections.Load(), figures.CPU()
	times, took := l.run(ctx)
	connections, cpu = count.Connections.Load()-connections, figures.CPU()-cpu
	spread := figures.Of(times)
	figures.Tell("ran", map[string]any{
		"calls": len(times), "seconds": took.Seconds(), "p50": spread.P50, "p99": spread.P99, "max": spread.Max,
		"connections": connections, "client_cpu": cpu,
	})
	figures.Wait()
	checked := made.open(ctx)
	failed, texts := wrong.Found()
	if count.Bad.Load() > 0 && failed == 0 {
		// The SDK has repeated what failed, and got through.
		failed, texts = int(count.Bad.Load()), []string{count.FirstBad()}
	}
	figures.Tell("report", map[string]any{
		"checked": checked, "failed": failed, "failures": texts,
		"http1": count.First.Load(), "http2": count.Second.Load(), "resumed": count.Resumed.Load(),
	})
}
