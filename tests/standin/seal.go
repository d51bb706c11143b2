package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
)

// kmsContext is what an object's data key is bound to. encode gives MinIO's canonical JSON: sorted
// names, no spaces, no HTML escapes needed; `{}` when empty.
type kmsContext map[string]string

func (c kmsContext) encode() []byte {
	if c == nil {
		c = kmsContext{}
	}
	out, err := json.Marshal(c) // Go sorts the names of a map
	if err != nil {
		panic(err) // a map of strings always encodes
	}
	return out
}

// record is a stored object: what lies on disk and what travels between nodes. Body is AES-256-GCM
// under the data key, with the context as additional data; without a KMS it is the object itself.
type record struct {
	Bucket  string `json:"bucket"`
	Object  string `json:"object"`
	Written int64  `json:"written"` // ns since 1970, for last-write-wins between nodes
	Key     string `json:"key,omitempty"`
	Sealed  []byte `json:"sealed,omitempty"` // the data key's ciphertext
	Nonce   []byte `json:"nonce,omitempty"`
	Body    []byte `json:"body"`
}

func (r *record) context() []byte {
	return kmsContext{r.Bucket: r.Bucket + "/" + r.Object}.encode()
}

// seal fills Key, Sealed, Nonce and Body from the plain object: one generate.
func (r *record) seal(ctx context.Context, k *kmsClient, plain []byte) error {
	if !k.configured() {
		r.Body = plain
		return nil
	}
	dek, err := k.generate(ctx, r.context())
	if err != nil {
		return err
	}
	aead, err := newAEAD(dek.Plaintext)
	if err != nil {
		return err
	}
	r.Key, r.Sealed, r.Nonce = k.settings.keyName, dek.Ciphertext, make([]byte, aead.NonceSize())
	if _, err := rand.Read(r.Nonce); err != nil {
		return err
	}
	r.Body = aead.Seal(nil, r.Nonce, plain, r.context())
	return nil
}

// open gives the plain object back: one decrypt, on the node that is asked.
func (r *record) open(ctx context.Context, k *kmsClient) ([]byte, error) {
	if r.Key == "" {
		return r.Body, nil
	}
	key, err := k.decrypt(ctx, r.Key, r.Sealed, r.context())
	if err != nil {
		return nil, err
	}
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(r.Nonce) != aead.NonceSize() {
		return nil, errors.New("stored object is damaged: its nonce has the wrong length")
	}
	plain, err := aead.Open(nil, r.Nonce, r.Body, r.context())
	if err != nil {
		return nil, fmt.Errorf("stored object does not open with its data key: %w", err)
	}
	return plain, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	if len(key) != 32 {
		return nil, fmt.Errorf("KES gave a data key of %d bytes, 32 expected", len(key))
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
