// Package harness is what the programs below cmd/ share: a client on the real SDK made from flags,
// and checks that are counted. It knows the SDK's interface and nothing of the server under test.
package harness

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/minio/kms-go/kes"
)

// Options are the flags that every program takes.
type Options struct {
	Endpoint string
	CA       string // PEM file: who signed the server's certificate
	Cert     string // client pair in PEM files; else the API key in the environment
	Key      string
	HTTP     int // 2: as the SDK asks for by itself; 1: HTTP/1.1 only
}

// Parse defines and reads the flags. The API key comes from KES_API_KEY: secrets are not for argv.
func Parse() *Options {
	o := &Options{}
	flag.StringVar(&o.Endpoint, "endpoint", "https://127.0.0.1:7373", "URL of the server under test")
	flag.StringVar(&o.CA, "ca", "", "PEM file of the server's CA")
	flag.StringVar(&o.Cert, "cert", "", "PEM file of the client's certificate")
	flag.StringVar(&o.Key, "key", "", "PEM file of the client's key")
	flag.IntVar(&o.HTTP, "http", 2, "2: HTTP/2 where the server has it; 1: HTTP/1.1 only")
	flag.Parse()
	return o
}

// Certificate is the client's: from the pair of files, else from KES_API_KEY.
func (o *Options) Certificate() (tls.Certificate, error) {
	if o.Cert != "" {
		return tls.LoadX509KeyPair(o.Cert, o.Key)
	}
	return FromAPIKey("KES_API_KEY")
}

// FromAPIKey makes a certificate from the API key in the named variable.
func FromAPIKey(variable string) (tls.Certificate, error) {
	key, err := kes.ParseAPIKey(os.Getenv(variable))
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s: %w", variable, err)
	}
	return kes.GenerateCertificate(key)
}

// TLS is the client's side of mTLS, as MinIO sets it up.
func (o *Options) TLS() (*tls.Config, error) {
	certificate, err := o.Certificate()
	if err != nil {
		return nil, err
	}
	return o.TLSWith(certificate)
}

// TLSWith is TLS for another identity.
func (o *Options) TLSWith(certificate tls.Certificate) (*tls.Config, error) {
	pem, err := os.ReadFile(o.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New(o.CA + " holds no certificate")
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		Certificates:       []tls.Certificate{certificate},
		RootCAs:            roots,
		ClientSessionCache: tls.NewLRUClientSessionCache(100),
	}, nil
}

// Client gives an SDK client and the protocols that its answers came over.
func (o *Options) Client(config *tls.Config, endpoints ...string) (*kes.Client, *Protocols) {
	if len(endpoints) == 0 {
		endpoints = []string{o.Endpoint}
	}
	client := kes.NewClientWithConfig("", config.Clone())
	client.Endpoints = endpoints
	seen := &Protocols{next: client.HTTPClient.Transport, count: map[string]int{}}
	if o.HTTP == 1 {
		seen.next = HTTP1(config)
	}
	client.HTTPClient.Transport = seen
	return client, seen
}

// HTTP1 is a transport that does not offer HTTP/2.
func HTTP1(config *tls.Config) *http.Transport {
	return &http.Transport{
		TLSClientConfig:       config.Clone(),
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
		ResponseHeaderTimeout: 30 * time.Second,
	}
}

// Protocols notes which HTTP version each answer came over.
type Protocols struct {
	next  http.RoundTripper
	mu    sync.Mutex
	count map[string]int
}

// RoundTrip passes the request on untouched.
func (p *Protocols) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := p.next.RoundTrip(request)
	if err == nil {
		p.mu.Lock()
		p.count[response.Proto]++
		p.mu.Unlock()
	}
	return response, err
}

// CloseIdleConnections lets the SDK's client close them through this wrapper.
func (p *Protocols) CloseIdleConnections() {
	if closer, ok := p.next.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}

// Count gives answers by protocol.
func (p *Protocols) Count() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[string]int{}
	for name, n := range p.count {
		out[name] = n
	}
	return out
}

// Next is the transport below.
func (p *Protocols) Next() http.RoundTripper { return p.next }
