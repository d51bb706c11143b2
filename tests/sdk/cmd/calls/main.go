// Calls makes every key call of the SDK once on its good path and once on each of its bad ones, and
// compares errors with the SDK's own values, as MinIO does.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/minio/kms-go/kes"

	"openkes.invalid/sdk/internal/harness"
)

func main() {
	o := harness.Parse()
	prefix := harness.Unique("sdk-calls")
	config := harness.Must(o.TLS())
	client, protocols := o.Client(config)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &harness.Checks{}

	lifecycle(ctx, c, client, prefix+"-life")
	imports(ctx, c, client, prefix+"-import")
	dataKeys(ctx, c, client, prefix+"-data")
	listing(ctx, c, client, prefix+"-list")
	c.Fact("protocols", protocols.Count())
	c.Finish()
}

func lifecycle(ctx context.Context, c *harness.Checks, client *kes.Client, name string) {
	_, err := client.DescribeKey(ctx, name)
	c.Is(err, kes.ErrKeyNotFound, "describe before create")
	c.Is(client.DeleteKey(ctx, name), kes.ErrKeyNotFound, "delete before create")
	before := time.Now()
	c.OK(client.CreateKey(ctx, name), "create")
	c.Is(client.CreateKey(ctx, name), kes.ErrKeyExists, "create again")
	info, err := client.DescribeKey(ctx, name)
	if c.OK(err, "describe") {
		c.True(info.Name == name, "describe: name %q", info.Name)
		c.True(info.Algorithm.String() == "AES256" || info.Algorithm.String() == "ChaCha20", "describe: algorithm %v", info.Algorithm)
		// A minute of slack: creation time may be kept in whole seconds.
		age := info.CreatedAt.Sub(before).Abs()
		c.True(age < time.Minute, "describe: created %v from now", age)
		raw, err := hex.DecodeString(info.CreatedBy.String())
		c.True(err == nil && len(raw) == 32, "describe: created by %q is no identity", info.CreatedBy)
	}
	c.OK(client.DeleteKey(ctx, name), "delete")
	c.Is(client.DeleteKey(ctx, name), kes.ErrKeyNotFound, "delete again")
	_, err = client.DescribeKey(ctx, name)
	c.Is(err, kes.ErrKeyNotFound, "describe after delete")
	_, err = client.GenerateKey(ctx, name, nil)
	c.Is(err, kes.ErrKeyNotFound, "generate after delete")
	c.Status(client.CreateKey(ctx, "-not-a-name-"), 400, "create of a bad name")
}

func imports(ctx context.Context, c *harness.Checks, client *kes.Client, name string) {
	for suffix, algorithm := range map[string]kes.KeyAlgorithm{"-aes": kes.AES256, "-chacha": kes.ChaCha20} {
		request := &kes.ImportKeyRequest{Key: bytes.Repeat([]byte{7}, 32), Cipher: algorithm}
		if !c.OK(client.ImportKey(ctx, name+suffix, request), "import "+suffix) {
			continue
		}
		c.Is(client.ImportKey(ctx, name+suffix, request), kes.ErrKeyExists, "import again "+suffix)
		info, err := client.DescribeKey(ctx, name+suffix)
		if c.OK(err, "describe of import "+suffix) {
			c.True(info.Algorithm == algorithm, "algorithm %v, imported as %v", info.Algorithm, algorithm)
		}
		dek, err := client.GenerateKey(ctx, name+suffix, []byte("context"))
		if c.OK(err, "generate with import "+suffix) {
			plain, err := client.Decrypt(ctx, name+suffix, dek.Ciphertext, []byte("context"))
			c.True(err == nil && bytes.Equal(plain, dek.Plaintext), "round trip with import %s: %v", suffix, err)
		}
		c.OK(client.DeleteKey(ctx, name+suffix), "delete of import "+suffix)
	}
	short := &kes.ImportKeyRequest{Key: make([]byte, 16), Cipher: kes.AES256}
	c.Status(client.ImportKey(ctx, name+"-short", short), 406, "import of 16 bytes")
}

func dataKeys(ctx context.Context, c *harness.Checks, client *kes.Client, name string) {
	c.OK(client.CreateKey(ctx, name), "create")
	c.OK(client.CreateKey(ctx, name+"-other"), "create of another")
	bound := []byte(`{"bucket":"bucket/object"}`)

	for _, associated := range [][]byte{nil, []byte(`{}`), bound} {
		dek, err := client.GenerateKey(ctx, name, associated)
		if !c.OK(err, "generate") {
			continue
		}
		c.True(len(dek.Plaintext) == 32, "data key of %d bytes", len(dek.Plaintext))
		opened, err := client.Decrypt(ctx, name, dek.Ciphertext, associated)
		c.True(err == nil && bytes.Equal(opened, dek.Plaintext), "decrypt of a data key, context %q: %v", associated, err)
		_, err = client.Decrypt(ctx, name, dek.Ciphertext, []byte("another"))
		c.Is(err, kes.ErrDecrypt, "decrypt with another context")
		_, err = client.Decrypt(ctx, name+"-other", dek.Ciphertext, associated)
		c.Is(err, kes.ErrDecrypt, "decrypt with another key")
		dek.Ciphertext[len(dek.Ciphertext)/2] ^= 1
		_, err = client.Decrypt(ctx, name, dek.Ciphertext, associated)
		c.Is(err, kes.ErrDecrypt, "decrypt of a changed ciphertext")
	}
	_, err := client.Decrypt(ctx, name, []byte("short"), nil)
	c.Is(err, kes.ErrDecrypt, "decrypt of a short ciphertext")
	_, err = client.Decrypt(ctx, name, nil, nil)
	c.Is(err, kes.ErrDecrypt, "decrypt of nothing")

	first, err1 := client.GenerateKey(ctx, name, bound)
	second, err2 := client.GenerateKey(ctx, name, bound)
	c.True(err1 == nil && err2 == nil && !bytes.Equal(first.Plaintext, second.Plaintext), "two data keys are the same: %v %v", err1, err2)

	// 512 KiB: over a megabyte in JSON twice over would pass the body limit.
	for _, size := range []int{0, 1, 32, 512 << 10} {
		message := make([]byte, size)
		_, _ = rand.Read(message)
		sealed, err := client.Encrypt(ctx, name, message, bound)
		if c.OK(err, "encrypt") {
			opened, err := client.Decrypt(ctx, name, sealed, bound)
			c.True(err == nil && bytes.Equal(opened, message), "round trip of %d bytes: %v", size, err)
			_, err = client.Decrypt(ctx, name, sealed, nil)
			c.Is(err, kes.ErrDecrypt, "decrypt without the context")
		}
	}
	_, err = client.Encrypt(ctx, name, make([]byte, 1<<20), nil)
	c.Status(err, 413, "encrypt of 1 MiB, over the body limit in JSON")

	mac, err := client.HMAC(ctx, name, []byte("message"))
	again, err2 := client.HMAC(ctx, name, []byte("message"))
	other, err3 := client.HMAC(ctx, name+"-other", []byte("message"))
	c.True(err == nil && err2 == nil && err3 == nil && len(mac) == 32, "hmac: %v %v %v, %d bytes", err, err2, err3, len(mac))
	c.True(bytes.Equal(mac, again) && !bytes.Equal(mac, other), "hmac: same key same answer, other key another")

	missing := name + "-missing"
	_, err = client.GenerateKey(ctx, missing, bound)
	c.Is(err, kes.ErrKeyNotFound, "generate with a missing key")
	_, err = client.Encrypt(ctx, missing, []byte("x"), bound)
	c.Is(err, kes.ErrKeyNotFound, "encrypt with a missing key")
	_, err = client.Decrypt(ctx, missing, first.Ciphertext, bound)
	c.Is(err, kes.ErrKeyNotFound, "decrypt with a missing key")
	_, err = client.HMAC(ctx, missing, []byte("x"))
	c.Is(err, kes.ErrKeyNotFound, "hmac with a missing key")
	c.OK(client.DeleteKey(ctx, name), "delete")
	c.OK(client.DeleteKey(ctx, name+"-other"), "delete of the other")
}

func listing(ctx context.Context, c *harness.Checks, client *kes.Client, prefix string) {
	want := []string{prefix + "-a", prefix + "-b", prefix + "-c"}
	for _, name := range []string{want[2], want[0], want[1]} {
		c.OK(client.CreateKey(ctx, name), "create "+name)
	}
	// The SDK's iterator follows continue_at until the end.
	iterator := kes.ListIter[string]{NextFunc: client.ListKeys}
	var got []string
	name, err := iterator.SeekTo(ctx, prefix)
	for ; err == nil; name, err = iterator.Next(ctx) {
		got = append(got, name)
	}
	c.True(len(got) == 3, "iterator gave %v, then %v", got, err)
	for i, name := range got {
		c.True(i < len(want) && name == want[i], "iterator: %v, want %v", got, want)
	}
	names, next, err := client.ListKeys(ctx, "", 0)
	c.True(err == nil && len(names) >= 3, "list of everything: %v, %q, %v", names, next, err)
	names, next, err = client.ListKeys(ctx, prefix+"-none", 0)
	c.True(err == nil && len(names) == 0 && next == "", "list of nothing: %v, %q, %v", names, next, err)
	// The SDK escapes the asterisk; it sends no page size, whatever its caller asks for.
	names, next, err = client.ListKeys(ctx, prefix+"*", 0)
	c.True(err == nil && len(names) == 3 && next == "", "list of a pattern: %v, %q, %v", names, next, err)
	for _, name := range want {
		c.OK(client.DeleteKey(ctx, name), "delete "+name)
	}
}
