// Failover puts an endpoint that fails in front of a good one and lets the SDK find its way. A call
// may fail: that is counted. What must never be: a data key, ciphertext or HMAC that is not the one
// asked for. The SDK does not rewind the body when it turns to the second server.
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"flag"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

var name = harness.Unique("sdk-failover")

var associated = []byte(`{"bucket":"bucket/object"}`)

// trial is one bad endpoint with what the good one is known to answer.
type trial struct {
	c       *harness.Checks
	direct  *kes.Client // to the good server only
	known   kes.DEK
	mac     []byte
	host    string // of the good server
	rounds  int
	options *harness.Options
	config  *tls.Config
}

// attempt makes one call and says, when it was answered, whether the answer is right.
type attempt func(context.Context, *kes.Client) (error, bool)

// figures of one mode and call.
type figures struct {
	Answered, Failed  int // what the SDK's caller saw
	BadHits, GoodHits int // attempts below the SDK
	EmptyBodiesToGood int
	LastError         string
}

func main() {
	rounds := flag.Int("rounds", 8, "calls for each way to fail and each route")
	only := flag.String("modes", strings.Join(modes, ","), "ways to fail")
	o := harness.Parse()
	config := harness.Must(o.TLS())
	ctx := context.Background()
	c := &harness.Checks{}
	direct, _ := o.Client(config)
	t := &trial{c: c, direct: direct, rounds: *rounds, options: o, config: config}
	t.host = harness.Must(url.Parse(o.Endpoint)).Host

	if !c.OK(direct.CreateKey(ctx, name), "create") {
		c.Finish()
	}
	t.known = harness.Must(direct.GenerateKey(ctx, name, associated))
	t.mac = harness.Must(direct.HMAC(ctx, name, []byte("message")))

	var all sync.WaitGroup
	for _, mode := range strings.Split(*only, ",") {
		all.Add(1)
		go func() {
			defer all.Done()
			t.run(ctx, mode)
		}()
	}
	all.Wait()
	c.OK(direct.DeleteKey(ctx, name), "delete")
	c.Finish()
}

func (t *trial) run(ctx context.Context, mode string) {
	first := startBad(mode)
	defer first.stop()
	config := t.config.Clone()
	if first.cert != nil {
		config.RootCAs = config.RootCAs.Clone()
		config.RootCAs.AddCert(first.cert)
	}
	var lock sync.Mutex
	var all sync.WaitGroup
	met := 0
	for route, call := range map[string]attempt{
		"generate": t.generate, "encrypt": t.encrypt, "decrypt": t.decrypt, "hmac": t.hmac,
	} {
		all.Add(1)
		go func() {
			defer all.Done()
			f := t.all(ctx, mode, first, config, call)
			t.c.Fact(mode+" "+route, f)
			t.c.True(mode != "refused" || f.Answered == t.rounds, "refused %s: not all calls found the good endpoint: %+v", route, f)
			lock.Lock()
			met += f.BadHits
			lock.Unlock()
		}()
	}
	all.Wait()
	t.c.True(met > 0, "%s: no call met the bad endpoint: nothing was tried", mode)
}

// all makes the rounds of one way to fail and one route, side by side: the SDK's pauses add up.
func (t *trial) all(ctx context.Context, mode string, first bad, config *tls.Config, call attempt) *figures {
	f := &figures{}
	var lock sync.Mutex
	var all sync.WaitGroup
	for round := range t.rounds {
		all.Add(1)
		go func() {
			defer all.Done()
			t.once(ctx, mode, round, first, config, call, func(change func(*figures)) {
				lock.Lock()
				defer lock.Unlock()
				change(f)
			})
		}()
	}
	all.Wait()
	return f
}

// once makes one call with a client of its own: a failing endpoint is set aside for 30 s, and a
// client that remembers it would not meet it again.
func (t *trial) once(ctx context.Context, mode string, round int, first bad, config *tls.Config, call attempt,
	note func(func(*figures))) {
	client, protocols := t.options.Client(config, first.url, t.options.Endpoint)
	defer protocols.CloseIdleConnections()
	tap := &harness.Tap{Next: protocols}
	client.HTTPClient.Transport = tap
	limit := 20 * time.Second
	if mode == "hang" {
		// Half of them run into the caller's deadline, half into a transport that gives up waiting.
		if limit = time.Second; round%2 == 0 {
			limit = 20 * time.Second
			protocols.Next().(*http.Transport).ResponseHeaderTimeout = 500 * time.Millisecond
		}
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err, right := call(bounded, client)
	if err != nil {
		// "Not authentic" would tell MinIO that the object is damaged.
		t.c.True(err != kes.ErrDecrypt, "%s: a failed call says that the ciphertext is not authentic", mode)
	} else {
		t.c.True(right, "%s: WRONG ANSWER after failover", mode)
	}
	note(func(f *figures) {
		if err != nil {
			f.Failed++
			f.LastError = err.Error()
		} else {
			f.Answered++
		}
		f.BadHits += tap.To(first.host).All
		f.GoodHits += tap.To(t.host).All
		f.EmptyBodiesToGood += tap.To(t.host).Empty
	})
}

// bound says whether a ciphertext opens to plain with its context, and with nothing less.
func (t *trial) bound(plain, ciphertext []byte) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	opened, err := t.direct.Decrypt(ctx, name, ciphertext, associated)
	if err != nil || !bytes.Equal(opened, plain) {
		return false
	}
	for _, less := range [][]byte{nil, []byte(`{}`)} {
		if _, err := t.direct.Decrypt(ctx, name, ciphertext, less); err != kes.ErrDecrypt {
			return false
		}
	}
	return true
}

func (t *trial) generate(ctx context.Context, client *kes.Client) (error, bool) {
	dek, err := client.GenerateKey(ctx, name, associated)
	return err, err == nil && len(dek.Plaintext) == 32 && t.bound(dek.Plaintext, dek.Ciphertext)
}

func (t *trial) encrypt(ctx context.Context, client *kes.Client) (error, bool) {
	sealed, err := client.Encrypt(ctx, name, []byte("plaintext"), associated)
	return err, err == nil && t.bound([]byte("plaintext"), sealed)
}

func (t *trial) decrypt(ctx context.Context, client *kes.Client) (error, bool) {
	plain, err := client.Decrypt(ctx, name, t.known.Ciphertext, associated)
	return err, bytes.Equal(plain, t.known.Plaintext)
}

func (t *trial) hmac(ctx context.Context, client *kes.Client) (error, bool) {
	mac, err := client.HMAC(ctx, name, []byte("message"))
	return err, bytes.Equal(mac, t.mac)
}
