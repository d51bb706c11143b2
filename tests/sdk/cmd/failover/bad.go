package main

import (
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
)

// bad is the endpoint that fails. It never gives a data key, whatever it is asked.
type bad struct {
	url  string
	host string
	stop func()
	cert *x509.Certificate
}

// Ways to fail. The `-unread` ones answer before they take the body, as a proxy may.
var modes = []string{"500", "502", "503", "500-unread", "502-unread", "503-unread", "refused", "reset", "hang"}

func startBad(mode string) bad {
	if mode == "refused" {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		address := listener.Addr().String()
		listener.Close()
		return bad{url: "https://" + address, host: address, stop: func() {}}
	}
	released := make(chan struct{})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(mode, "-unread") {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		switch status, _, _ := strings.Cut(mode, "-"); status {
		case "hang":
			select {
			case <-released:
			case <-r.Context().Done():
			}
		case "reset":
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(map[string]int{"500": 500, "502": 502, "503": 503}[status])
			_, _ = io.WriteString(w, `{"message":"failing on purpose"}`)
		}
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	return bad{
		url: server.URL, host: server.Listener.Addr().String(), cert: server.Certificate(),
		stop: func() { close(released); server.CloseClientConnections(); server.Close() },
	}
}
