package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// little is all that the kernel shall keep of what is not read, in bytes: the server notices the sooner.
const little = 4096

// unread opens a stream of the audit log and never reads a line of it.
func (d *disturbance) unread() (turn, error) {
	opened := false
	return func(ctx context.Context) error {
		if opened {
			<-ctx.Done()
			return errDone
		}
		opened = true
		return d.openUnread()
	}, nil
}

func (d *disturbance) openUnread() error {
	target, err := url.Parse(d.options.Endpoint)
	if err != nil {
		return err
	}
	pair, err := tls.LoadX509KeyPair(d.options.Cert, d.options.Key)
	if err != nil {
		return err
	}
	connection, err := net.DialTimeout("tcp", target.Host, 30*time.Second)
	if err != nil {
		return err
	}
	d.hold(connection)
	if err = connection.(*net.TCPConn).SetReadBuffer(little); err != nil {
		return err
	}
	// Nothing secret comes back that anybody reads; the load beside it verifies the server.
	secured := tls.Client(connection, &tls.Config{
		Certificates: []tls.Certificate{pair}, InsecureSkipVerify: true, NextProtos: []string{"http/1.1"},
	})
	if _, err = io.WriteString(secured, "GET /v1/log/audit HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReaderSize(secured, 16), nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the log stream is answered %s", response.Status)
	}
	return nil
}
