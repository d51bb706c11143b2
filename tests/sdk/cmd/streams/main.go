// Streams listens to the audit and the error log while others act. -mode: audit, error, cancel, or drain, which says
// "listening" on stdout and waits for the server to stop.
package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

const calls = 50

// more than the server serves at a moment: one that forgets to end streams would refuse the last of these
const streams = 150

var c = &harness.Checks{}

func main() {
	mode := flag.String("mode", "audit", "audit, error, cancel or drain")
	o := harness.Parse()
	listener, protocols := o.Client(harness.Must(o.TLS()))
	admin, _ := o.Client(harness.Must(o.TLS()))
	limited, _ := o.Client(harness.Must(o.TLSWith(harness.Must(harness.FromAPIKey("KES_LIMITED_API_KEY")))))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	map[string]func(context.Context, *kes.Client, *kes.Client, *kes.Client){
		"audit": audit, "error": errors, "cancel": canceled, "drain": drain,
	}[*mode](ctx, listener, admin, limited)
	c.Fact("protocols", protocols.Count())
	c.Finish()
}

// act makes calls one after another, each with a path of its own: refused ones and missing keys.
func act(ctx context.Context, admin, limited *kes.Client) (paths []string) {
	name := harness.Unique("stream")
	for i := range calls {
		client, want := admin, kes.ErrKeyNotFound
		if i%2 == 1 {
			client, want = limited, kes.ErrNotAllowed
		}
		_, err := client.DescribeKey(ctx, fmt.Sprintf("%s-%d", name, i))
		c.Is(err, want, "the call to be seen")
		paths = append(paths, fmt.Sprintf("/v1/key/describe/%s-%d", name, i))
	}
	return paths
}

func first(info *kes.IdentityInfo, _ *kes.Policy, err error) (*kes.IdentityInfo, error) {
	return info, err
}

func audit(ctx context.Context, listener, admin, limited *kes.Client) {
	stream, err := listener.AuditLog(ctx)
	if !c.OK(err, "audit log") {
		return
	}
	self := harness.Must(first(admin.DescribeSelf(ctx)))
	other := harness.Must(first(limited.DescribeSelf(ctx)))
	begin := time.Now()
	paths := act(ctx, admin, limited)
	seen := 0
	for seen < len(paths) && stream.Next() {
		event := stream.Event()
		if event.APIPath != paths[seen] {
			continue // others' calls, or one that is missing: then the end is never reached
		}
		status, who := 404, self.Identity
		if seen%2 == 1 {
			status, who = 403, other.Identity
		}
		c.True(event.StatusCode == status, "%s: status %d", event.APIPath, event.StatusCode)
		c.True(event.ClientIdentity == who, "%s: identity %s", event.APIPath, event.ClientIdentity)
		c.True(event.ClientIP.IsLoopback(), "%s: from %v", event.APIPath, event.ClientIP)
		// The server's clock is this one; it writes when it answers.
		c.True(event.Timestamp.After(begin.Add(-time.Second)), "%s: at %v, before %v", event.APIPath, event.Timestamp, begin)
		c.True(event.ResponseTime >= 0 && event.ResponseTime < time.Minute, "%s: took %v", event.APIPath, event.ResponseTime)
		seen++
	}
	c.True(seen == len(paths), "saw %d of %d calls, in their order", seen, len(paths))
	c.OK(stream.Close(), "close")
	c.True(!stream.Next(), "a closed stream has no next event")
}

func errors(ctx context.Context, listener, admin, limited *kes.Client) {
	stream, err := listener.ErrorLog(ctx)
	if !c.OK(err, "error log") {
		return
	}
	self := harness.Must(first(limited.DescribeSelf(ctx)))
	paths := act(ctx, admin, limited)
	for i := 1; i < len(paths); i += 2 {
		found := false
		for !found && stream.Next() {
			message := stream.Message()
			found = strings.Contains(message, paths[i]) && strings.Contains(message, self.Identity.String())
			if found {
				c.True(strings.Contains(message, "limited"), "the policy's name is in %q", message)
			}
		}
		if !c.True(found, "no error line for %s", paths[i]) {
			break
		}
	}
	c.OK(stream.Close(), "close")
}

func canceled(ctx context.Context, listener, admin, limited *kes.Client) {
	for i := range streams {
		own, cancel := context.WithCancel(ctx)
		stream, err := listener.AuditLog(own)
		if !c.OK(err, fmt.Sprintf("audit log %d", i)) {
			cancel()
			return
		}
		_, err = admin.Version(ctx)
		c.OK(err, "a call to be seen")
		c.True(stream.Next(), "an event before the end")
		if i%2 == 0 {
			cancel()
			for stream.Next() { // what was on its way may still come
			}
			// The first Close gives what closing gave, the second what ended the stream.
			c.OK(stream.Close(), "close")
			// A server that is quick may end the stream in order before this side has let go of it.
			err := stream.Close()
			c.True(err == context.Canceled || err == nil, "the end of the stream: %v", err)
		} else {
			c.OK(stream.Close(), "close")
			cancel()
		}
		c.True(!stream.Next(), "an ended stream has no next event")
	}
	_, err := admin.DescribeKey(ctx, harness.Unique("canceled"))
	c.Is(err, kes.ErrKeyNotFound, "the server answers afterwards")
}

func drain(ctx context.Context, listener, admin, limited *kes.Client) {
	events, err := listener.AuditLog(ctx)
	if !c.OK(err, "audit log") {
		return
	}
	messages, err := listener.ErrorLog(ctx)
	if !c.OK(err, "error log") {
		return
	}
	_, err = limited.Status(ctx)
	c.Is(err, kes.ErrNotAllowed, "a call to be seen in both")
	c.True(events.Next() && messages.Next(), "both streams are alive")
	fmt.Println("listening")
	for events.Next() {
	}
	for messages.Next() {
	}
	// Close gives the error that ended the stream: none, since the server ended it in order.
	c.OK(events.Close(), "the end of the audit log")
	c.OK(messages.Close(), "the end of the error log")
	c.OK(ctx.Err(), "the end came in time")
}
