// Minio-standin is a TEST DOUBLE for MinIO and says so in its name and output.
//
// It is started as MinIO is (`minio server $MINIO_OPTS $MINIO_VOLUMES`), talks to the key server
// through the client SDK that MinIO uses, and keeps those of MinIO's rules that decide whether a
// rollout of a key server goes well: which environment is fatal, what happens at start, what the
// nodes of a deployment compare, when health checks say yes. It keeps objects in a format of its
// own and checks no credentials of S3 clients: it is for test hosts only.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const banner = "minio-standin (TEST DOUBLE, this is not MinIO)"

func main() {
	log.SetFlags(0)
	log.SetPrefix("minio-standin (TEST DOUBLE): ")
	args, err := parseArgs(os.Args[1:], os.Getenv("MINIO_VOLUMES"))
	switch {
	case errors.Is(err, errVersion):
		fmt.Println(banner)
		return
	case err != nil:
		log.Printf("FATAL: %v", err)
		os.Exit(2)
	}
	if err := run(args); err != nil {
		log.Printf("FATAL: %v", err)
		os.Exit(1)
	}
}

// run serves until SIGTERM or SIGINT; an error means that MinIO would have refused to start.
func run(args arguments) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	signal.Ignore(syscall.SIGHUP) // until the client pair is watched: then it means "read it again"
	log.Printf("%s starting, volumes %v", banner, args.volumes)

	env := minioEnvironment(os.Environ())
	settings, err := readSettings(env)
	if err != nil {
		return err
	}
	nodes, err := parseVolumes(args.volumes)
	if err != nil {
		return err
	}
	// A host that is just booting may not have its address yet: MinIO waits for it, too.
	self, err := waitForLocal(ctx, nodes, args.address, 60*time.Second)
	if err != nil {
		return err
	}
	vault, err := openStore(nodes[self].path)
	if err != nil {
		return err
	}
	kms, err := startKMS(ctx, settings)
	if err != nil {
		return err
	}
	peers := newPeers(nodes, self, checksums(env))
	server := &http.Server{
		Handler:           newAPI(kms, vault, peers),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	listener, err := net.Listen("tcp", args.address)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", args.address, err)
	}
	log.Printf("listening on %s as %s, %d peers", listener.Addr(), nodes[self].name(), len(peers.others))

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	go kms.watch(ctx)
	go func() {
		if peers.waitForAgreement(ctx) {
			// Only now, as MinIO does: with Type=notify a restart blocks until the peers agree.
			notifySystemd("READY=1")
			log.Printf("serving objects")
		}
	}()

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	notifySystemd("STOPPING=1")
	bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(bounded)
	log.Printf("stopped; KES calls: %s", kms.counters())
	return nil
}
