// Records reads policies and identities as the admin, as an identity with a policy (its API key is in
// KES_LIMITED_API_KEY), and as one that nobody knows.
package main

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

var (
	c    = &harness.Checks{}
	long = time.Minute
)

func main() {
	o := harness.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), long)
	defer cancel()
	admin, protocols := o.Client(harness.Must(o.TLS()))
	limited, _ := o.Client(harness.Must(o.TLSWith(harness.Must(harness.FromAPIKey("KES_LIMITED_API_KEY")))))
	unknown, _ := o.Client(harness.Must(o.TLSWith(harness.Must(kes.GenerateCertificate(harness.Must(kes.GenerateAPIKey(nil)))))))

	self, _, err := admin.DescribeSelf(ctx)
	if !c.OK(err, "self, the admin") {
		c.Finish()
	}
	c.True(self.IsAdmin && self.Policy == "", "the admin's self: %+v", self)
	other, policy, err := limited.DescribeSelf(ctx)
	if !c.OK(err, "self, with a policy") {
		c.Finish()
	}
	c.True(!other.IsAdmin && other.Policy == "limited" && other.Identity != self.Identity, "self with a policy: %+v", other)
	_, rule := policy.Allow["/v1/key/generate/allowed*"]
	c.True(rule && len(policy.Allow) == 4 && len(policy.Deny) == 0, "self's policy: %+v", policy)
	_, _, err = unknown.DescribeSelf(ctx)
	c.Is(err, kes.ErrIdentityNotFound, "self, unknown")

	policies(ctx, admin, self.Identity)
	identities(ctx, admin, self.Identity, other.Identity)
	for who, client := range map[string]*kes.Client{"limited": limited, "unknown": unknown} {
		refused(ctx, client, who, self.Identity)
	}
	c.Fact("protocols", protocols.Count())
	c.Finish()
}

func policies(ctx context.Context, admin *kes.Client, by kes.Identity) {
	info, err := admin.DescribePolicy(ctx, "limited")
	if c.OK(err, "describe a policy") {
		c.True(info.Name == "limited" && info.CreatedBy == by && recent(info.CreatedAt), "policy: %+v", info)
	}
	policy, err := admin.GetPolicy(ctx, "limited")
	if c.OK(err, "read a policy") {
		_, rule := policy.Allow["/v1/key/list/*"]
		c.True(rule && len(policy.Allow) == 4 && len(policy.Deny) == 0, "rules: %+v", policy)
		c.True(policy.CreatedBy == by && recent(policy.CreatedAt), "policy: %+v", policy)
	}
	_, err = admin.DescribePolicy(ctx, "missing")
	c.Is(err, kes.ErrPolicyNotFound, "describe a missing policy")
	_, err = admin.GetPolicy(ctx, "missing")
	c.Is(err, kes.ErrPolicyNotFound, "read a missing policy")
	all := []string{"full", "limited"}
	for prefix, want := range map[string][]string{"": all, "*": all, "lim": all[1:], "lim*": all[1:], "limited": all[1:], "x": {}} {
		names, at, err := admin.ListPolicies(ctx, prefix, 0)
		c.True(err == nil && at == "" && slices.Equal(names, want), "policies %q: %v, %q, %v", prefix, names, at, err)
	}
	iterator := kes.ListIter[string]{NextFunc: admin.ListPolicies}
	c.True(slices.Equal(collect(ctx, &iterator), all), "iterator over policies")
}

func identities(ctx context.Context, admin *kes.Client, self, limited kes.Identity) {
	info, err := admin.DescribeIdentity(ctx, self)
	c.True(err == nil && info.IsAdmin && info.Policy == "", "the admin: %+v, %v", info, err)
	info, err = admin.DescribeIdentity(ctx, limited)
	c.True(err == nil && !info.IsAdmin && info.Policy == "limited" && info.CreatedBy == self, "limited: %+v, %v", info, err)
	if err == nil {
		c.True(recent(info.CreatedAt) && info.Identity == limited, "limited: %+v", info)
	}
	_, err = admin.DescribeIdentity(ctx, kes.Identity(strings.Repeat("0", 64)))
	c.Is(err, kes.ErrIdentityNotFound, "describe a missing identity")
	iterator := kes.ListIter[kes.Identity]{NextFunc: admin.ListIdentities}
	all := collect(ctx, &iterator)
	c.True(len(all) == 3 && slices.IsSorted(all), "three identities, sorted: %v", all)
	c.True(slices.Contains(all, self) && slices.Contains(all, limited), "both are listed: %v", all)
	for _, identity := range all {
		for _, prefix := range []string{string(identity), string(identity[:16]), string(identity[:16]) + "*"} {
			found, at, err := admin.ListIdentities(ctx, prefix, 0)
			c.True(err == nil && at == "" && len(found) == 1 && found[0] == identity, "prefix %q: %v, %v", prefix, found, err)
		}
	}
}

func refused(ctx context.Context, client *kes.Client, who string, identity kes.Identity) {
	_, err := client.DescribePolicy(ctx, "limited")
	c.Is(err, kes.ErrNotAllowed, who+": describe a policy")
	_, err = client.GetPolicy(ctx, "missing")
	c.Is(err, kes.ErrNotAllowed, who+": read a policy")
	_, _, err = client.ListPolicies(ctx, "", 0)
	c.Is(err, kes.ErrNotAllowed, who+": list policies")
	_, err = client.DescribeIdentity(ctx, identity)
	c.Is(err, kes.ErrNotAllowed, who+": describe an identity")
	_, _, err = client.ListIdentities(ctx, "", 0)
	c.Is(err, kes.ErrNotAllowed, who+": list identities")
	_, err = client.Metrics(ctx)
	c.Is(err, kes.ErrNotAllowed, who+": metrics")
	_, err = client.APIs(ctx)
	c.Is(err, kes.ErrNotAllowed, who+": APIs")
	_, err = client.IsReady(ctx)
	c.Is(err, kes.ErrNotAllowed, who+": ready")
	_, err = client.AuditLog(ctx)
	c.Is(err, kes.ErrNotAllowed, who+": audit log")
	_, err = client.ErrorLog(ctx)
	c.Is(err, kes.ErrNotAllowed, who+": error log")
}

func collect[T any](ctx context.Context, iterator *kes.ListIter[T]) []T {
	var all []T
	for {
		item, err := iterator.Next(ctx)
		if err != nil {
			c.True(err == io.EOF, "end of the list: %v", err)
			return all
		}
		all = append(all, item)
	}
}

func recent(t time.Time) bool { return time.Since(t) > -long && time.Since(t) < time.Hour }
