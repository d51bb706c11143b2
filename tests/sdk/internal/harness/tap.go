package harness

import (
	"io"
	"net/http"
	"sync"
)

// Tap sees, below the SDK, what each attempt sends to each host: failover and retries are inside
// the SDK and invisible to its caller.
type Tap struct {
	Next http.RoundTripper
	mu   sync.Mutex
	seen map[string]Attempts
}

// Attempts counts requests to one host, and those whose body turned out to have no bytes.
type Attempts struct{ All, Empty int }

// RoundTrip counts the bytes that the transport takes from the body; the request stays as it is.
func (t *Tap) RoundTrip(request *http.Request) (*http.Response, error) {
	body := &counting{ReadCloser: request.Body}
	if request.Body != nil {
		request = request.Clone(request.Context())
		request.Body = body
	}
	response, err := t.Next.RoundTrip(request)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[string]Attempts{}
	}
	attempts := t.seen[request.URL.Host]
	attempts.All++
	// Only an answered request says that its body was read to the end.
	if err == nil && body.bytes() == 0 {
		attempts.Empty++
	}
	t.seen[request.URL.Host] = attempts
	return response, err
}

// To gives the attempts at one host.
func (t *Tap) To(host string) Attempts {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seen[host]
}

type counting struct {
	io.ReadCloser
	mu sync.Mutex
	n  int
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.mu.Lock()
	c.n += n
	c.mu.Unlock()
	return n, err
}

func (c *counting) bytes() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}
