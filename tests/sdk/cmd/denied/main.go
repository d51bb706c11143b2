// Denied acts as an identity that may generate, decrypt and describe keys called `allowed*`, and
// list all (its API key is in KES_LIMITED_API_KEY), and as one that nobody knows.
package main

import (
	"context"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

func main() {
	o := harness.Parse()
	admin, _ := o.Client(harness.Must(o.TLS()))
	limited, _ := o.Client(harness.Must(o.TLSWith(harness.Must(harness.FromAPIKey("KES_LIMITED_API_KEY")))))
	unknown, _ := o.Client(harness.Must(o.TLSWith(harness.Must(kes.GenerateCertificate(harness.Must(kes.GenerateAPIKey(nil)))))))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &harness.Checks{}

	allowed, refused := harness.Unique("allowed"), harness.Unique("refused")
	for _, name := range []string{allowed, refused} {
		c.OK(admin.CreateKey(ctx, name), "create by the admin")
	}
	dek, err := limited.GenerateKey(ctx, allowed, []byte("c"))
	c.OK(err, "generate, allowed")
	_, err = limited.Decrypt(ctx, allowed, dek.Ciphertext, []byte("c"))
	c.OK(err, "decrypt, allowed")
	_, err = limited.DescribeKey(ctx, allowed)
	c.OK(err, "describe, allowed")
	_, err = limited.GenerateKey(ctx, allowed+"-missing", nil)
	c.Is(err, kes.ErrKeyNotFound, "generate, allowed but missing")

	for who, client := range map[string]*kes.Client{"limited": limited, "unknown": unknown} {
		_, err = client.GenerateKey(ctx, refused, nil)
		c.Is(err, kes.ErrNotAllowed, who+": generate")
		// The answer must not tell whether the key is there.
		_, err = client.GenerateKey(ctx, refused+"-missing", nil)
		c.Is(err, kes.ErrNotAllowed, who+": generate with a missing key")
		_, err = client.Encrypt(ctx, allowed, []byte("x"), nil)
		c.Is(err, kes.ErrNotAllowed, who+": encrypt")
		_, err = client.HMAC(ctx, allowed, []byte("x"))
		c.Is(err, kes.ErrNotAllowed, who+": hmac")
		c.Is(client.CreateKey(ctx, allowed+"-2"), kes.ErrNotAllowed, who+": create")
		c.Is(client.DeleteKey(ctx, allowed), kes.ErrNotAllowed, who+": delete")
		c.Is(client.ImportKey(ctx, allowed+"-2", &kes.ImportKeyRequest{Key: make([]byte, 32)}), kes.ErrNotAllowed, who+": import")
		_, err = client.Status(ctx)
		c.Is(err, kes.ErrNotAllowed, who+": status")
	}
	// The SDK asks for everything as /v1/key/list, without the slash; the rule is /v1/key/list/*.
	names, _, err := limited.ListKeys(ctx, "", 0)
	c.True(err == nil && len(names) >= 2, "list of everything, allowed: %v, %v", names, err)
	_, _, err = limited.ListKeys(ctx, allowed, 0)
	c.OK(err, "list of a prefix, allowed")
	_, _, err = unknown.ListKeys(ctx, "", 0)
	c.Is(err, kes.ErrNotAllowed, "unknown: list of everything")
	_, _, err = unknown.ListKeys(ctx, allowed, 0)
	c.Is(err, kes.ErrNotAllowed, "unknown: list of a prefix")
	_, err = unknown.Decrypt(ctx, allowed, dek.Ciphertext, []byte("c"))
	c.Is(err, kes.ErrNotAllowed, "unknown: decrypt")
	_, err = unknown.Version(ctx)
	c.OK(err, "unknown: version, which any certificate may ask for")
	for _, name := range []string{allowed, refused} {
		c.OK(admin.DeleteKey(ctx, name), "delete by the admin")
	}
	c.Finish()
}
