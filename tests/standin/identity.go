package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/minio/kms-go/kes"
)

// loadIdentity reads the client certificate: from the API key, else from the pair of files.
func loadIdentity(s settings) (tls.Certificate, error) {
	if s.apiKey != "" {
		key, err := kes.ParseAPIKey(s.apiKey)
		if err != nil {
			return tls.Certificate{}, errors.New("MINIO_KMS_KES_API_KEY is not an API key (kes:v1:…)")
		}
		return kes.GenerateCertificate(key)
	}
	certificate, err := os.ReadFile(s.certFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("MINIO_KMS_KES_CERT_FILE: %w", err)
	}
	key, err := os.ReadFile(s.keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("MINIO_KMS_KES_KEY_FILE: %w", err)
	}
	if key, err = decryptPEM(key, s.keyPassword); err != nil {
		return tls.Certificate{}, fmt.Errorf("MINIO_KMS_KES_KEY_FILE %s: %w", s.keyFile, err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("%s and %s are no pair: %w", s.certFile, s.keyFile, err)
	}
	return pair, nil
}

// decryptPEM opens the old PEM encryption (RFC 1423), the only one that MinIO's password is for.
func decryptPEM(data []byte, password string) ([]byte, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("no PEM block in it")
	}
	if !x509.IsEncryptedPEMBlock(block) { //nolint:staticcheck // deprecated, and exactly what is meant here
		return data, nil
	}
	if password == "" {
		return nil, errors.New("the key is encrypted, and MINIO_KMS_KES_KEY_PASSWORD is not set")
	}
	der, err := x509.DecryptPEMBlock(block, []byte(password)) //nolint:staticcheck // as above
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: der}), nil
}

// loadRoots reads CAPATH, a file or a directory of files, on top of the system's roots.
func loadRoots(path string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if path == "" {
		return pool, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("MINIO_KMS_KES_CAPATH: %w", err)
	}
	files := []string{path}
	if info.IsDir() {
		entries, err := os.ReadDir(path)
		if err != nil {
			return nil, fmt.Errorf("MINIO_KMS_KES_CAPATH: %w", err)
		}
		files = files[:0]
		for _, entry := range entries {
			if file := filepath.Join(path, entry.Name()); !entry.IsDir() {
				files = append(files, file)
			}
		}
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("MINIO_KMS_KES_CAPATH: %w", err)
		}
		// In a directory other files may lie about; a file that is named must be a certificate.
		if !pool.AppendCertsFromPEM(data) && !info.IsDir() {
			return nil, fmt.Errorf("MINIO_KMS_KES_CAPATH: no certificate in %s", file)
		}
	}
	return pool, nil
}

// stamp changes whenever one of the files does.
func stamp(files ...string) string {
	out := ""
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			out += fmt.Sprintf("%s %d %d;", file, info.ModTime().UnixNano(), info.Size())
		}
	}
	return out
}
