package service

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/minio/kms-go/kes"
)

func (o *Options) tls() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.Connect == "resumed" {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if o.CA == "" {
		return config, nil
	}
	pem, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New(o.CA + " holds no certificate")
	}
	return config, nil
}

func (o *Options) sdk(config *tls.Config) *kes.Client {
	return kes.NewClientWithConfig(o.Endpoint, config)
}

// adjust changes of the SDK's own transport only what a load asks for, and counts.
func (o *Options) adjust(client *http.Client) *Count {
	transport := client.Transport.(*http.Transport)
	count := &Count{next: transport}
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		count.Connections.Add(1)
		return dial(ctx, network, address)
	}
	if o.HTTP == 1 {
		transport.ForceAttemptHTTP2 = false
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		// Go keeps two by default: all others would pay for a handshake, which is another load's business.
		transport.MaxIdleConnsPerHost = o.Workers
		transport.MaxIdleConns = 0
	}
	transport.DisableKeepAlives = o.Connect != "kept"
	client.Transport = count
	return count
}

// Count sees every exchange, also those that the SDK repeats by itself.
type Count struct {
	next        http.RoundTripper
	Connections atomic.Int64
	First       atomic.Int64 // answers over HTTP/1.1
	Second      atomic.Int64 // answers over HTTP/2
	Resumed     atomic.Int64 // answers on a connection that a session ticket opened
	Bad         atomic.Int64 // exchanges without a 200
	bad         atomic.Pointer[string]
}

// RoundTrip passes the request on untouched.
func (c *Count) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	if err != nil {
		c.fail(err.Error())
		return nil, err
	}
	if response.ProtoMajor == 2 {
		c.Second.Add(1)
	} else {
		c.First.Add(1)
	}
	if response.TLS != nil && response.TLS.DidResume {
		c.Resumed.Add(1)
	}
	if response.StatusCode != http.StatusOK {
		c.fail(fmt.Sprintf("%s %s is answered %s", request.Method, request.URL.Path, response.Status))
	}
	return response, nil
}

func (c *Count) fail(text string) {
	c.Bad.Add(1)
	c.bad.CompareAndSwap(nil, &text)
}

// FirstBad is the first exchange without a 200, or "".
func (c *Count) FirstBad() string {
	if text := c.bad.Load(); text != nil {
		return *text
	}
	return ""
}
