// Exchange writes ciphertexts to a file through one server, and opens them through another that has
// the same keys: `-mode write -file F`, then `-mode read -file F`.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"openkes.invalid/sdk/internal/harness"
)

const name = "sdk-exchange"

type sealed struct{ Context, Plaintext, Ciphertext, HMAC []byte }

func main() {
	mode := flag.String("mode", "", "write or read")
	file := flag.String("file", "", "where the ciphertexts lie between the two")
	o := harness.Parse()
	client, protocols := o.Client(harness.Must(o.TLS()))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c := &harness.Checks{}

	var all []sealed
	if *mode == "write" {
		c.OK(client.CreateKey(ctx, name), "create")
		// 300: one ciphertext in 128 begins like an older encoding by chance.
		for i := range 300 {
			one := sealed{Context: []byte(fmt.Sprintf(`{"bucket":"bucket/%d"}`, i))}
			dek, err := client.GenerateKey(ctx, name, one.Context)
			if !c.OK(err, "generate") {
				break
			}
			one.Plaintext, one.Ciphertext = dek.Plaintext, dek.Ciphertext
			all = append(all, one)
		}
		mac, err := client.HMAC(ctx, name, []byte("message"))
		if c.OK(err, "hmac") {
			all[0].HMAC = mac
		}
		harness.Must(0, os.WriteFile(*file, harness.Must(json.Marshal(all)), 0o600))
	} else {
		harness.Must(0, json.Unmarshal(harness.Must(os.ReadFile(*file)), &all))
		for _, one := range all {
			plain, err := client.Decrypt(ctx, name, one.Ciphertext, one.Context)
			c.True(err == nil && bytes.Equal(plain, one.Plaintext), "decrypt of %s: %v", one.Context, err)
		}
		mac, err := client.HMAC(ctx, name, []byte("message"))
		c.True(err == nil && bytes.Equal(mac, all[0].HMAC), "hmac differs: %v", err)
	}
	c.Fact("ciphertexts", len(all))
	c.Fact("protocols", protocols.Count())
	c.Finish()
}
