package main

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// arguments is what the command line says: `server [--flag value…] VOLUME…`.
type arguments struct {
	address string   // host:port to listen on, the host may be empty
	volumes []string // as given, not expanded
}

var errVersion = errors.New("version asked for")

// MinIO's flags that take a value. All but --address are accepted and ignored: the stand-in has no
// console and no TLS of its own.
var valued = map[string]bool{
	"address": true, "console-address": true, "certs-dir": true, "S": true, "config": true,
	"ftp": true, "sftp": true,
}

// parseArgs reads argv as MinIO does; volumes is $MINIO_VOLUMES, used when argv names none.
func parseArgs(argv []string, volumes string) (arguments, error) {
	out := arguments{address: ":9000"}
	server := false
	for i := 0; i < len(argv); i++ {
		arg := argv[i]
		switch {
		case arg == "--version" || arg == "-v":
			return out, errVersion
		case strings.HasPrefix(arg, "-"):
			name, value, inline := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			if valued[name] && !inline {
				if i++; i == len(argv) {
					return out, fmt.Errorf("%s needs a value", arg)
				}
				value = argv[i]
			}
			if name == "address" {
				out.address = value
			}
		case !server:
			if arg != "server" {
				return out, fmt.Errorf("unknown command %q: only `server` is known", arg)
			}
			server = true
		default:
			out.volumes = append(out.volumes, arg)
		}
	}
	if !server {
		return out, errors.New("usage: minio server [--address HOST:PORT] VOLUME…")
	}
	if len(out.volumes) == 0 {
		out.volumes = strings.Fields(volumes)
	}
	if len(out.volumes) == 0 {
		return out, errors.New("no volume given: name one after `server`, or set MINIO_VOLUMES")
	}
	if _, _, err := net.SplitHostPort(out.address); err != nil {
		return out, fmt.Errorf("--address %q: %w", out.address, err)
	}
	return out, nil
}
