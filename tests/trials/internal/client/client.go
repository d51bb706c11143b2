// Package client is what the programs below cmd/ share: flags, TLS, percentiles.
package client

import (
	"crypto/tls"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"time"
)

// Patience is how long a connection may take to come about before it counts as refused.
const Patience = 60 * time.Second

// Flags that every program takes.
var (
	Address = flag.String("address", "127.0.0.1:7373", "the server under trial")
	Cert    = flag.String("cert", "", "PEM file of the client's certificate")
	Key     = flag.String("key", "", "PEM file of the client's key")
	HTTP    = flag.Int("http", 1, "2: HTTP/2 too")
)

// Config is the client's side of TLS; the trial knows its server.
func Config(protocols ...string) *tls.Config {
	pair, err := tls.LoadX509KeyPair(*Cert, *Key)
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot run:", err)
		os.Exit(2)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, NextProtos: protocols}
}

// Dial gives a connection whose handshake is done.
func Dial(config *tls.Config) (*tls.Conn, error) {
	return tls.DialWithDialer(&net.Dialer{Timeout: Patience}, "tcp", *Address, config)
}

// Spread is what a list of times comes to, in milliseconds.
type Spread struct {
	Count int     `json:"count"`
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

// Of sorts the times and sums them up.
func Of(times []time.Duration) Spread {
	if len(times) == 0 {
		return Spread{}
	}
	slices.Sort(times)
	at := func(share float64) float64 {
		return float64(times[int(share*float64(len(times)-1)+0.5)].Microseconds()) / 1000
	}
	return Spread{len(times), at(0.5), at(0.99), at(1)}
}
