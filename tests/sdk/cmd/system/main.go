// System asks the server about itself: version, readiness, status, the list of routes.
package main

import (
	"context"
	"strings"
	"time"

	"openkes.invalid/sdk/internal/harness"
)

func main() {
	o := harness.Parse()
	client, protocols := o.Client(harness.Must(o.TLS()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &harness.Checks{}

	version, err := client.Version(ctx)
	c.True(err == nil && version != "", "version %q: %v", version, err)
	ready, err := client.IsReady(ctx)
	c.True(err == nil && ready, "ready %v: %v", ready, err)

	state, err := client.Status(ctx)
	if c.OK(err, "status") {
		c.True(state.Version == version, "status says version %q, /version says %q", state.Version, version)
		c.True(state.KeyStoreReachable, "key store not reachable: %+v", state)
		c.True(state.UpTime >= 0 && state.UpTime < time.Hour, "uptime %v", state.UpTime)
		c.True(state.OS != "" && state.Arch != "" && state.CPUs > 0 && state.UsableCPUs > 0, "machine: %+v", state)
		c.Fact("status", state)
	}
	apis, err := client.APIs(ctx)
	if c.OK(err, "APIs") {
		want := map[string]bool{ // path, and whether it takes a body
			"/version": false, "/v1/ready": false, "/v1/status": false, "/v1/api": false,
			"/v1/key/create/": false, "/v1/key/describe/": false, "/v1/key/delete/": false, "/v1/key/list/": false,
			"/v1/key/import/": true, "/v1/key/generate/": true, "/v1/key/encrypt/": true,
			"/v1/key/decrypt/": true, "/v1/key/hmac/": true,
		}
		for _, api := range apis {
			for path, body := range want {
				if strings.TrimSuffix(api.Path, "/") == strings.TrimSuffix(path, "/") {
					// A megabyte, counted either way.
					c.True((api.MaxBody >= 1e6) == body && (api.MaxBody == 0) != body, "%s: body limit %d", path, api.MaxBody)
					c.True(api.Timeout > 0, "%s: time limit %v", path, api.Timeout)
					delete(want, path)
				}
			}
		}
		c.True(len(want) == 0, "routes not listed: %v", want)
	}
	c.Fact("protocols", protocols.Count())
	c.Finish()
}
