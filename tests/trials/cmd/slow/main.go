// Slow holds up a server: request heads and bodies that come a byte a second, and half handshakes, all at once.
// Prints a line when all are open, and another with what became of them.
package main

import (
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"openkes.invalid/trials/internal/client"
)

var (
	heads  = flag.Int("headers", 1000, "slow request heads")
	bodies = flag.Int("bodies", 1000, "slow bodies")
	halves = flag.Int("halves", 200, "half handshakes")
	path   = flag.String("path", "", "where bodies go")
)

// kind is one sort of slow client. begin gives a connection and what to send on it each second.
type kind struct {
	begin func(second bool) (net.Conn, []byte, error)

	mu       sync.Mutex
	closed   []time.Duration // from the first byte of the request, or of the handshake, to the end
	answered int             // of those, with something to read before the end
	refused  []string
	left     int
}

func main() {
	flag.Parse()
	kinds := map[string]*kind{"headers": {begin: head}, "bodies": {begin: body}, "halves": {begin: half}}
	counts := map[string]int{"headers": *heads, "bodies": *bodies, "halves": *halves}
	var open, all sync.WaitGroup
	var now, most atomic.Int64
	gate := make(chan struct{}, 64) // handshakes at a moment: the machine runs both ends
	for name, k := range kinds {
		for i := range counts[name] {
			open.Add(1)
			all.Add(1)
			go func() {
				defer all.Done()
				gate <- struct{}{}
				connection, drip, err := k.begin(*client.HTTP == 2 && i%2 == 1)
				<-gate
				open.Done()
				if err != nil {
					k.mu.Lock()
					k.refused = append(k.refused, err.Error())
					k.mu.Unlock()
					return
				}
				count := now.Add(1)
				for old := most.Load(); count > old && !most.CompareAndSwap(old, count); old = most.Load() {
				}
				k.hold(connection, drip)
				now.Add(-1)
			}()
		}
	}
	open.Wait()
	fmt.Println("open")
	all.Wait()
	report := map[string]any{"at_once": most.Load()}
	for name, k := range kinds {
		report[name] = map[string]any{
			"closed": client.Of(k.closed), "answered": k.answered, "refused": k.refused, "left": k.left,
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(report)
}

// hold drips until the other end has had enough.
func (k *kind) hold(connection net.Conn, drip []byte) {
	begin := time.Now()
	ended := make(chan bool)
	go func() { ended <- untilEnd(connection) }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	defer connection.Close()
	for {
		select {
		case answered := <-ended:
			k.mu.Lock()
			k.closed = append(k.closed, time.Since(begin))
			if answered {
				k.answered++
			}
			k.mu.Unlock()
			return
		case <-tick.C:
			if time.Since(begin) > client.Patience {
				k.mu.Lock()
				k.left++
				k.mu.Unlock()
				connection.Close()
				<-ended
				return
			}
			_, _ = connection.Write(drip) // an error shows in the reader
		}
	}
}

// untilEnd waits for the end of the connection, or of the one stream on it, and says whether there was an answer.
func untilEnd(connection net.Conn) bool {
	if secured, ok := connection.(*tls.Conn); !ok || secured.ConnectionState().NegotiatedProtocol != "h2" {
		count, _ := io.Copy(io.Discard, connection)
		return count > 0
	}
	for {
		var header [9]byte
		if _, err := io.ReadFull(connection, header[:]); err != nil {
			return false
		}
		length := int64(header[0])<<16 | int64(header[1])<<8 | int64(header[2])
		if _, err := io.CopyN(io.Discard, connection, length); err != nil {
			return false
		}
		switch kind, stream := header[3], header[8]; {
		case kind == 1 && stream == 1: // HEADERS
			return true
		case kind == 3 || kind == 7: // RST_STREAM, GOAWAY
			return false
		}
	}
}

func head(second bool) (net.Conn, []byte, error) {
	if second {
		// HEADERS without END_HEADERS, then a CONTINUATION a second.
		return dial(frame(1, 0, 1, request(0x82, "/version")), frame(9, 0, 1, nil), "h2")
	}
	return dial([]byte("GET /version HTTP/1.1\r\nHost: x\r\nX-Slow: "), []byte("x"), "http/1.1")
}

func body(second bool) (net.Conn, []byte, error) {
	if second {
		return dial(frame(1, 4, 1, request(0x83, *path)), frame(0, 0, 1, []byte("x")), "h2")
	}
	head := "POST " + *path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
	return dial([]byte(head), []byte("x"), "http/1.1")
}

func half(bool) (net.Conn, []byte, error) {
	connection, err := net.DialTimeout("tcp", *client.Address, client.Patience)
	if err != nil {
		return nil, nil, err
	}
	// The beginning of a ClientHello of 512 bytes.
	_, err = connection.Write([]byte{22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3})
	return connection, []byte{0}, err
}

func dial(first, drip []byte, protocol string) (net.Conn, []byte, error) {
	connection, err := client.Dial(client.Config(protocol))
	if err != nil {
		return nil, nil, err
	}
	if protocol == "h2" {
		// The preface, and settings that change nothing.
		first = append(append([]byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), frame(4, 0, 0, nil)...), first...)
	}
	_, err = connection.Write(first)
	return connection, drip, err
}

// frame is an HTTP/2 frame (RFC 9113, section 4.1).
func frame(kind, flags byte, stream byte, payload []byte) []byte {
	n := len(payload)
	return append([]byte{byte(n >> 16), byte(n >> 8), byte(n), kind, flags, 0, 0, 0, stream}, payload...)
}

// request is a header block (RFC 7541): a method of the static table, https, a path and a host.
func request(method byte, path string) []byte {
	block := append([]byte{method, 0x87, 0x04, byte(len(path))}, path...)
	return append(block, 0x41, 1, 'x')
}
