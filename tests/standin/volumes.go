package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/url"
	"time"
)

// node is one member of the deployment: where it is reached, and its first drive.
type node struct {
	host, port string // empty for a deployment of one node that is given as plain paths
	path       string
}

func (n node) name() string {
	if n.host == "" {
		return "single node"
	}
	return net.JoinHostPort(n.host, n.port)
}

func (n node) url(path string) string { return "http://" + net.JoinHostPort(n.host, n.port) + path }

// parseVolumes gives the nodes of a deployment in order, each once; further drives of a node are
// accepted, but the stand-in keeps objects on the first.
func parseVolumes(volumes []string) ([]node, error) {
	var nodes []node
	seen := map[string]bool{}
	for _, volume := range volumes {
		expanded, err := expand(volume)
		if err != nil {
			return nil, err
		}
		for _, one := range expanded {
			n, err := parseVolume(one)
			if err != nil {
				return nil, err
			}
			if !seen[n.host+" "+n.port] {
				seen[n.host+" "+n.port] = true
				nodes = append(nodes, n)
			}
		}
	}
	for _, n := range nodes {
		if (n.host == "") != (nodes[0].host == "") {
			return nil, errors.New("volumes mix URLs and plain paths: use one of the two")
		}
	}
	return nodes, nil
}

func parseVolume(volume string) (node, error) {
	if volume != "" && (volume[0] == '/' || volume[0] == '.') {
		return node{path: volume}, nil
	}
	u, err := url.Parse(volume)
	if err != nil || u.Hostname() == "" || u.Path == "" || u.Path == "/" {
		return node{}, fmt.Errorf("volume %q is neither a path nor http://HOST:PORT/PATH", volume)
	}
	if u.Scheme != "http" {
		return node{}, fmt.Errorf("volume %q: between its nodes the stand-in speaks http only", volume)
	}
	port := u.Port()
	if port == "" {
		port = "9000"
	}
	return node{host: u.Hostname(), port: port, path: u.Path}, nil
}

// waitForLocal finds which node runs on this host: its name resolves to one of this host's
// addresses and its port is the one listened on.
func waitForLocal(ctx context.Context, nodes []node, address string, patience time.Duration) (int, error) {
	if nodes[0].host == "" {
		return 0, nil
	}
	_, port, _ := net.SplitHostPort(address)
	deadline := time.Now().Add(patience)
	for said := false; ; said = true {
		for i, n := range nodes {
			if n.port == port && isLocal(ctx, n.host) {
				return i, nil
			}
		}
		if time.Now().After(deadline) {
			return 0, fmt.Errorf("no volume is on this host: none of %d hosts resolves to an address here with port %s",
				len(nodes), port)
		}
		if !said {
			log.Printf("waiting for one of the hosts in the volumes to resolve to this host")
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func isLocal(ctx context.Context, host string) bool {
	bounded, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	found, err := net.DefaultResolver.LookupIPAddr(bounded, host)
	if err != nil {
		return false
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, f := range found {
		if f.IP.IsLoopback() {
			return true
		}
		for _, o := range own {
			if network, ok := o.(*net.IPNet); ok && network.IP.Equal(f.IP) {
				return true
			}
		}
	}
	return false
}
