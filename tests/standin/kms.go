package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/minio/kms-go/kes"
)

// errNoKMS is what KMS routes answer on a deployment without KES settings.
var errNoKMS = errors.New("KMS is not configured")

const (
	describeEvery = 10 * time.Second // as every MinIO node does while idle
	reloadEvery   = 2 * time.Second  // MinIO has inotify; polling is enough here, and needs no library
	countersEvery = time.Minute
)

// kmsClient is the node's view of the key server: the SDK's client, the default key, and counters.
type kmsClient struct {
	settings settings
	roots    *x509.CertPool
	current  atomic.Pointer[kes.Client]
	count    tally
}

// startKMS does what MinIO does before it serves: read the identity and CA, generate once with an
// empty context. nil settings.endpoints give a client whose calls all fail with errNoKMS.
func startKMS(ctx context.Context, s settings) (*kmsClient, error) {
	k := &kmsClient{settings: s}
	if len(s.endpoints) == 0 {
		if s.foreign != "" {
			log.Printf("WARNING: %s name another KMS; the stand-in knows only KES and keeps objects unencrypted", s.foreign)
		} else {
			log.Printf("no KMS configured; objects are kept unencrypted")
		}
		return k, nil
	}
	var err error
	if k.roots, err = loadRoots(s.caPath); err != nil { // once: a new CA needs a restart
		return nil, err
	}
	if err := k.load(); err != nil {
		return nil, err
	}
	log.Printf("KES endpoints %v, default key %q", s.endpoints, s.keyName)
	_, err = k.generate(ctx, kmsContext{}.encode())
	switch {
	case err == nil:
		log.Printf("KES generate at start: ok")
	case errors.Is(err, kes.ErrNotAllowed):
		log.Printf("WARNING: starting HALF-WORKING: KES refused generate on %q with 403: %v", s.keyName, err)
	case errors.Is(err, kes.ErrKeyNotFound):
		return k, k.createDefaultKey(ctx)
	default:
		return nil, fmt.Errorf("KES generate at start failed: %w", err)
	}
	return k, nil
}

// createDefaultKey is MinIO's own way out of a missing key. When the key was there yesterday, this
// is the start of a disaster: a new key under the old name.
func (k *kmsClient) createDefaultKey(ctx context.Context) error {
	log.Printf("WARNING: key %q DOES NOT EXIST at KES: creating a NEW one, as MinIO does; "+
		"objects written under an older key of that name cannot be read with it", k.settings.keyName)
	err := k.count.note("create", func() error { return k.client().CreateKey(ctx, k.settings.keyName) })
	switch {
	case err == nil:
		log.Printf("WARNING: created key %q at KES", k.settings.keyName)
	case errors.Is(err, kes.ErrKeyExists):
		log.Printf("another node created key %q", k.settings.keyName)
	case errors.Is(err, kes.ErrNotAllowed):
		log.Printf("WARNING: starting HALF-WORKING: KES refused create on %q with 403", k.settings.keyName)
	default:
		return fmt.Errorf("KES create at start failed: %w", err)
	}
	return nil
}

// load makes a client from the identity as it is now on disk.
func (k *kmsClient) load() error {
	certificate, err := loadIdentity(k.settings)
	if err != nil {
		return err
	}
	client := kes.NewClientWithConfig("", &tls.Config{
		MinVersion:         tls.VersionTLS12,
		Certificates:       []tls.Certificate{certificate},
		RootCAs:            k.roots,
		ClientSessionCache: tls.NewLRUClientSessionCache(128),
	})
	client.Endpoints = append([]string(nil), k.settings.endpoints...)
	if old := k.current.Swap(client); old != nil {
		old.HTTPClient.CloseIdleConnections()
	}
	return nil
}

func (k *kmsClient) configured() bool    { return len(k.settings.endpoints) > 0 }
func (k *kmsClient) client() *kes.Client { return k.current.Load() }
func (k *kmsClient) counters() string    { return k.count.String() }

func (k *kmsClient) generate(ctx context.Context, associated []byte) (dek kes.DEK, err error) {
	if !k.configured() {
		return dek, errNoKMS
	}
	err = k.count.note("generate", func() error {
		dek, err = k.client().GenerateKey(ctx, k.settings.keyName, associated)
		return err
	})
	return dek, err
}

func (k *kmsClient) decrypt(ctx context.Context, name string, sealed, associated []byte) (plain []byte, err error) {
	if !k.configured() {
		return nil, errNoKMS
	}
	err = k.count.note("decrypt", func() error {
		plain, err = k.client().Decrypt(ctx, name, sealed, associated)
		return err
	})
	return plain, err
}

// roundTrip is `mc admin kms key status`: generate, decrypt, compare.
func (k *kmsClient) roundTrip(ctx context.Context) error {
	associated := kmsContext{"MinIO admin API": "KMSKeyStatusHandler"}.encode()
	dek, err := k.generate(ctx, associated)
	if err != nil {
		return fmt.Errorf("generate: %w", err)
	}
	plain, err := k.decrypt(ctx, k.settings.keyName, dek.Ciphertext, associated)
	if err != nil {
		return fmt.Errorf("decrypt: %w", err)
	}
	if !bytes.Equal(plain, dek.Plaintext) {
		return errors.New("decrypt gave another key than generate")
	}
	return nil
}

// watch runs until ctx ends: describe of the default key, re-reading of the client pair, counters.
func (k *kmsClient) watch(ctx context.Context) {
	if !k.configured() {
		return
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	describe, reload, counters := time.NewTicker(describeEvery), time.NewTicker(reloadEvery), time.NewTicker(countersEvery)
	seen := stamp(k.settings.keyFile, k.settings.certFile)
	online := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			seen = k.reload(seen, true)
		case <-reload.C:
			seen = k.reload(seen, false)
		case <-counters.C:
			log.Printf("KES calls: %s", k.counters())
		case <-describe.C:
			err := k.count.note("describe", func() error {
				_, err := k.client().DescribeKey(ctx, k.settings.keyName)
				return err
			})
			if (err == nil) != online && ctx.Err() == nil {
				online = err == nil
				log.Printf("KES describe of %q: online=%v, error: %v", k.settings.keyName, online, err)
			}
		}
	}
}

// reload takes a changed pair into use; a pair that cannot be read leaves the old one in use.
func (k *kmsClient) reload(seen string, force bool) string {
	now := stamp(k.settings.keyFile, k.settings.certFile)
	if k.settings.keyFile == "" || (now == seen && !force) {
		return seen
	}
	if err := k.load(); err != nil {
		log.Printf("client pair changed, but it cannot be used, going on with the old one: %v", err)
		return now
	}
	log.Printf("client pair re-read from %s and %s", k.settings.keyFile, k.settings.certFile)
	return now
}
