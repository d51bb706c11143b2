package service

import (
	"context"

	"github.com/minio/kms-go/kes"
)

// keyServer is anything that speaks the KES API, through the SDK that MinIO uses.
type keyServer struct {
	client *kes.Client
	name   string
}

func (k *keyServer) Generate(ctx context.Context, binding []byte) (DataKey, error) {
	made, err := k.client.GenerateKey(ctx, k.name, binding)
	return DataKey{made.Plaintext, made.Ciphertext}, err
}

func (k *keyServer) Decrypt(ctx context.Context, ciphertext, binding []byte) ([]byte, error) {
	return k.client.Decrypt(ctx, k.name, ciphertext, binding)
}

// SDK gives the client itself, for calls other than those of a Service.
func (o *Options) SDK() (*kes.Client, *Count, error) {
	config, err := o.tls()
	if err != nil {
		return nil, nil, err
	}
	client := o.sdk(config)
	return client, o.adjust(&client.HTTPClient), nil
}
