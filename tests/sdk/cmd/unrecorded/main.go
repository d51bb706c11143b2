// Unrecorded calls a server whose audit log cannot be written although it must be: every call on
// a key has to fail, with a status that the SDK hands on, and none may give key matter.
package main

import (
	"context"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

func main() {
	o := harness.Parse()
	client, _ := o.Client(harness.Must(o.TLS()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &harness.Checks{}

	dek, err := client.GenerateKey(ctx, "my-key", []byte("c"))
	c.Status(err, 503, "generate")
	c.True(len(dek.Plaintext) == 0 && len(dek.Ciphertext) == 0, "generate gave key matter")
	ciphertext, err := client.Encrypt(ctx, "my-key", []byte("x"), nil)
	c.Status(err, 503, "encrypt")
	c.True(len(ciphertext) == 0, "encrypt gave a ciphertext")
	sum, err := client.HMAC(ctx, "my-key", []byte("x"))
	c.Status(err, 503, "hmac")
	c.True(len(sum) == 0, "hmac gave a sum")
	_, err = client.DescribeKey(ctx, "my-key")
	c.Status(err, 503, "describe")
	c.Status(client.CreateKey(ctx, "other"), 503, "create")
	c.Status(client.ImportKey(ctx, "other", &kes.ImportKeyRequest{Key: make([]byte, 32), Cipher: kes.AES256}), 503, "import")
	c.Status(client.DeleteKey(ctx, "my-key"), 503, "delete")
	ready, err := client.IsReady(ctx)
	c.True(!ready, "ready: %v, %v", ready, err)
	c.Finish()
}
