// Package service is the server that is measured, as a client sees it: data keys are made and opened. It knows how
// to reach a key server by the real SDK and OpenBao's transit engine, and nothing of loads or figures.
package service

import (
	"context"
	"flag"
	"fmt"
	"net/http"
)

// DataKey is a key in plain and sealed.
type DataKey struct {
	Plaintext  []byte
	Ciphertext []byte
}

// Service makes data keys and opens them. Context binds a data key to an object, where the service has that.
type Service interface {
	Generate(ctx context.Context, binding []byte) (DataKey, error)
	Decrypt(ctx context.Context, ciphertext, binding []byte) ([]byte, error)
}

// Options are the flags that every program takes.
type Options struct {
	Kind     string // kes or bao
	Endpoint string
	CA       string // PEM file; empty: the system's
	Cert     string // PEM files of the client's pair
	Key      string
	Name     string // of the master key
	HTTP     int    // 2: HTTP/2 where the server has it; 1: HTTP/1.1 only
	Connect  string // kept, cold or resumed
	Workers  int
}

// Flags defines them; they hold after flag.Parse.
func Flags() *Options {
	o := &Options{}
	flag.StringVar(&o.Kind, "kind", "kes", "kes, or bao with its token in BAO_TOKEN")
	flag.StringVar(&o.Endpoint, "endpoint", "https://127.0.0.1:7373", "URL of the server")
	flag.StringVar(&o.CA, "ca", "", "PEM file of the server's CA")
	flag.StringVar(&o.Cert, "cert", "", "PEM file of the client's certificate")
	flag.StringVar(&o.Key, "key", "", "PEM file of the client's key")
	flag.StringVar(&o.Name, "name", "", "the master key")
	flag.IntVar(&o.HTTP, "http", 2, "2: HTTP/2 where the server has it; 1: HTTP/1.1 only")
	flag.StringVar(&o.Connect, "connect", "kept", "kept: keep-alive; cold: a new connection for each call; "+
		"resumed: the same, with session tickets")
	flag.IntVar(&o.Workers, "workers", 1, "calls in flight")
	return o
}

// Open gives the service and what its calls are counted by.
func (o *Options) Open() (Service, *Count, error) {
	config, err := o.tls()
	if err != nil {
		return nil, nil, err
	}
	switch o.Kind {
	case "kes":
		client := o.sdk(config)
		count := o.adjust(&client.HTTPClient)
		return &keyServer{client: client, name: o.Name}, count, nil
	case "bao":
		// The same transport as the SDK's.
		client := &http.Client{Transport: o.sdk(config).HTTPClient.Transport}
		count := o.adjust(client)
		return newTransit(client, o), count, nil
	}
	return nil, nil, fmt.Errorf("-kind %q is neither kes nor bao", o.Kind)
}
