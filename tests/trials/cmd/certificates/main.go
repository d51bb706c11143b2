// Certificates shows a server client certificates that no library would load: the bytes are the caller's, and so
// is the key that signs the handshake. Reads the cases as JSON on stdin, prints an outcome a line.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

type input struct {
	Address string   `json:"address"`
	Keys    []string `json:"keys"` // PKCS#8 PEM
	Cases   []show   `json:"cases"`
}

type show struct {
	ID      int      `json:"id"`
	Version uint16   `json:"version"` // 12 or 13
	Chain   [][]byte `json:"chain"`   // leaf first
	Key     int      `json:"key"`     // which of the keys signs
}

type outcome struct {
	ID     int    `json:"id"`
	Error  string `json:"error"` // of the handshake, or of reading the answer
	Status int    `json:"status"`
	Body   string `json:"body"`
}

const patience = 15 * time.Second // the server gives a handshake 10 s

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		fmt.Fprintln(os.Stderr, "cannot run:", err)
		os.Exit(2)
	}
	keys := make([]any, len(in.Keys))
	for i, text := range in.Keys {
		block, _ := pem.Decode([]byte(text))
		key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot run: key", i, err)
			os.Exit(2)
		}
		keys[i] = key
	}
	work := make(chan show)
	var out sync.Mutex
	encoder := json.NewEncoder(os.Stdout)
	var workers sync.WaitGroup
	for range 8 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for c := range work {
				result := try(in.Address, c, keys[c.Key])
				out.Lock()
				_ = encoder.Encode(result)
				out.Unlock()
			}
		}()
	}
	for _, c := range in.Cases {
		work <- c
	}
	close(work)
	workers.Wait()
}

func try(address string, c show, key any) outcome {
	result := outcome{ID: c.ID}
	fail := func(err error) outcome {
		result.Error = err.Error()
		return result
	}
	tcp, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return fail(err)
	}
	defer tcp.Close()
	_ = tcp.SetDeadline(time.Now().Add(patience))
	version := uint16(tls.VersionTLS13)
	if c.Version == 12 {
		version = tls.VersionTLS12
	}
	connection := tls.Client(tcp, &tls.Config{
		MinVersion: version, MaxVersion: version,
		InsecureSkipVerify: true,
		NextProtos:         []string{"http/1.1"},
		// Not `Certificates`: those are left out when the server names other CAs.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: c.Chain, PrivateKey: key}, nil
		},
	})
	if err := connection.Handshake(); err != nil {
		return fail(err)
	}
	request := fmt.Sprintf("GET /v1/key/describe/case-%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", c.ID)
	// With TLS 1.3 the refusal may be there before the request is sent: what matters is what can be read.
	_, _ = io.WriteString(connection, request)
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return fail(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fail(err)
	}
	result.Status, result.Body = response.StatusCode, string(body)
	return result
}
