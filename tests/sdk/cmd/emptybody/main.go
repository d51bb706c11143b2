// Emptybody sends requests without a single byte of body, in every way that HTTP has, to the routes
// that need one. Each must be a 400 in JSON: read as "no context" it would give a data key that no
// object can be opened with.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

var name = harness.Unique("sdk-emptybody")

var routes = []string{"generate", "encrypt", "decrypt", "hmac", "import"}

func main() {
	o := harness.Parse()
	config := harness.Must(o.TLS())
	client, _ := o.Client(config)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &harness.Checks{}
	c.OK(client.CreateKey(ctx, name), "create")

	transports := map[string]http.RoundTripper{"HTTP/1.1": harness.HTTP1(config)}
	if o.HTTP == 2 {
		transports["HTTP/2.0"] = &http.Transport{TLSClientConfig: config.Clone(), ForceAttemptHTTP2: true}
	}
	for protocol, transport := range transports {
		for _, route := range routes {
			for _, method := range []string{http.MethodPut, http.MethodPost} {
				send(ctx, c, o, transport, protocol, method, route, "declared", http.NoBody, 0)
				send(ctx, c, o, transport, protocol, method, route, "undeclared", nothing(), -1)
				send(ctx, c, o, transport, protocol, method, route, "white space", strings.NewReader(" \r\n"), 3)
			}
		}
	}
	for _, route := range routes {
		raw(c, o, config, route, "", "")
		raw(c, o, config, route, "Content-Length: 0\r\n", "")
		raw(c, o, config, route, "Transfer-Encoding: chunked\r\n", "0\r\n\r\n")
	}
	_, err := client.DescribeKey(ctx, target("import"))
	c.Is(err, kes.ErrKeyNotFound, "describe of what an empty import would have made")
	_, err = client.GenerateKey(ctx, name, nil)
	c.OK(err, "generate without a context, which the SDK sends as {}")
	c.OK(client.DeleteKey(ctx, name), "delete")
	c.Finish()
}

// nothing is a body of which neither client nor transport can know that it is empty.
func nothing() io.Reader { return io.MultiReader(strings.NewReader("")) }

// target is the key in the path: import needs a name that is still free.
func target(route string) string {
	if route == "import" {
		return name + "-import"
	}
	return name
}

func send(ctx context.Context, c *harness.Checks, o *harness.Options, transport http.RoundTripper,
	protocol, method, route, how string, body io.Reader, length int64) {
	request := harness.Must(http.NewRequestWithContext(ctx, method, o.Endpoint+"/v1/key/"+route+"/"+target(route), body))
	request.ContentLength = length
	what := fmt.Sprintf("%s %s %s, %s", protocol, method, route, how)
	response, err := transport.RoundTrip(request)
	if !c.OK(err, what) {
		return
	}
	c.True(response.Proto == protocol, "%s: answered over %s", what, response.Proto)
	refused(c, response, what)
}

// raw writes the request by hand, for what Go's client would not send.
func raw(c *harness.Checks, o *harness.Options, config *tls.Config, route, headers, body string) {
	host := harness.Must(url.Parse(o.Endpoint)).Host
	own := config.Clone()
	own.NextProtos = []string{"http/1.1"}
	what := fmt.Sprintf("raw %s with headers %q", route, headers)
	connection, err := tls.Dial("tcp", host, own)
	if !c.OK(err, what) {
		return
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = fmt.Fprintf(connection, "PUT /v1/key/%s/%s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s", route, target(route), host, headers, body)
	c.OK(err, what)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if c.OK(err, what) {
		refused(c, response, what)
	}
}

func refused(c *harness.Checks, response *http.Response, what string) {
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	var parsed struct{ Message string }
	c.True(response.StatusCode == http.StatusBadRequest, "%s: status %d, body %q", what, response.StatusCode, data)
	c.True(err == nil && json.Unmarshal(data, &parsed) == nil && parsed.Message != "", "%s: no JSON error: %q, %v", what, data, err)
	c.True(strings.HasPrefix(response.Header.Get("Content-Type"), "application/json"), "%s: content type %q", what, response.Header.Get("Content-Type"))
}
