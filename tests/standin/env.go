package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sort"
	"strings"
)

// settings is what the MINIO_KMS_* variables say. Without KES variables endpoints is empty: MinIO
// then runs without a KMS.
type settings struct {
	endpoints         []string
	keyName           string
	apiKey            string
	keyFile, certFile string
	keyPassword       string
	caPath            string
	autoEncryption    bool
	foreign           string // the other KMS in use, if any: MINIO_KMS_SECRET_KEY and the like
}

var (
	kesVariables = []string{
		"MINIO_KMS_KES_ENDPOINT", "MINIO_KMS_KES_KEY_NAME", "MINIO_KMS_KES_KEY_FILE",
		"MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_PASSWORD", "MINIO_KMS_KES_API_KEY",
		"MINIO_KMS_KES_CAPATH",
	}
	kmsVariables    = []string{"MINIO_KMS_SERVER", "MINIO_KMS_ENCLAVE", "MINIO_KMS_SSE_KEY", "MINIO_KMS_API_KEY"}
	staticVariables = []string{"MINIO_KMS_SECRET_KEY", "MINIO_KMS_SECRET_KEY_FILE"}

	// May differ from node to node.
	exempt = map[string]bool{
		"MINIO_ROOT_USER": true, "MINIO_ROOT_PASSWORD": true, "MINIO_ACCESS_KEY": true,
		"MINIO_SECRET_KEY": true, "MINIO_OPTS": true, "MINIO_CERT_PASSWD": true,
		"MINIO_SERVER_DEBUG": true, "MINIO_DSYNC_TRACE": true, "MINIO_CI_CD": true,
		"MINIO_OPERATOR_VERSION": true, "MINIO_VSPHERE_PLUGIN_VERSION": true,
	}
)

// minioEnvironment keeps the MINIO_* variables of an environment in os.Environ's form.
func minioEnvironment(environ []string) map[string]string {
	out := map[string]string{}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if strings.HasPrefix(name, "MINIO_") {
			out[name] = value
		}
	}
	return out
}

// checksums is what peers compare: a hash of every value that must be the same on all nodes.
func checksums(env map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range env {
		if !exempt[name] {
			sum := sha256.Sum256([]byte(name + "=" + value))
			out[name] = hex.EncodeToString(sum[:])
		}
	}
	return out
}

// differing lists the variables, sorted, that two nodes do not have in common.
func differing(mine, theirs map[string]string) []string {
	var out []string
	for name, sum := range mine {
		if theirs[name] != sum {
			out = append(out, name)
		}
	}
	for name := range theirs {
		if _, ok := mine[name]; !ok {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// readSettings applies MinIO's rules to the variables; an error is fatal at start.
func readSettings(env map[string]string) (settings, error) {
	kes, kms, static := present(env, kesVariables), present(env, kmsVariables), present(env, staticVariables)
	// By mere presence, even when the value is empty.
	for _, pair := range [][2][]string{{kes, kms}, {kes, static}, {kms, static}} {
		if len(pair[0]) > 0 && len(pair[1]) > 0 {
			return settings{}, fmt.Errorf("invalid KMS configuration: %s and %s exclude each other, even empty: remove one",
				strings.Join(pair[0], ", "), strings.Join(pair[1], ", "))
		}
	}
	out := settings{autoEncryption: strings.EqualFold(env["MINIO_KMS_AUTO_ENCRYPTION"], "on")}
	if other := append(kms, static...); len(other) > 0 {
		out.foreign = strings.Join(other, ", ")
	}
	if len(kes) == 0 {
		return out, nil
	}
	return readKES(env, out)
}

func readKES(env map[string]string, out settings) (settings, error) {
	for _, one := range strings.Split(env["MINIO_KMS_KES_ENDPOINT"], ",") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		expanded, err := expand(strings.TrimSpace(one))
		if err != nil {
			return out, fmt.Errorf("MINIO_KMS_KES_ENDPOINT: %w", err)
		}
		for _, endpoint := range expanded {
			if !strings.HasPrefix(endpoint, "https://") {
				return out, fmt.Errorf("MINIO_KMS_KES_ENDPOINT: %q is not an https URL", endpoint)
			}
			out.endpoints = append(out.endpoints, endpoint)
		}
	}
	if len(out.endpoints) == 0 {
		return out, errors.New("MINIO_KMS_KES_ENDPOINT is missing or empty, but other MINIO_KMS_KES variables are set")
	}
	if out.keyName = env["MINIO_KMS_KES_KEY_NAME"]; out.keyName == "" {
		return out, errors.New("MINIO_KMS_KES_KEY_NAME is missing or empty: it names the default key")
	}
	pair := present(env, []string{"MINIO_KMS_KES_KEY_FILE", "MINIO_KMS_KES_CERT_FILE", "MINIO_KMS_KES_KEY_PASSWORD"})
	apiKey := present(env, []string{"MINIO_KMS_KES_API_KEY"})
	if len(pair) > 0 && len(apiKey) > 0 {
		return out, fmt.Errorf("MINIO_KMS_KES_API_KEY and %s are both set: choose one", strings.Join(pair, ", "))
	}
	out.apiKey, out.caPath = env["MINIO_KMS_KES_API_KEY"], env["MINIO_KMS_KES_CAPATH"]
	out.keyFile, out.certFile = env["MINIO_KMS_KES_KEY_FILE"], env["MINIO_KMS_KES_CERT_FILE"]
	out.keyPassword = env["MINIO_KMS_KES_KEY_PASSWORD"]
	if out.apiKey == "" && (out.keyFile == "" || out.certFile == "") {
		return out, errors.New("no client identity: set MINIO_KMS_KES_KEY_FILE and MINIO_KMS_KES_CERT_FILE, or MINIO_KMS_KES_API_KEY")
	}
	return out, nil
}

func present(env map[string]string, names []string) []string {
	var out []string
	for _, name := range names {
		if _, ok := env[name]; ok {
			out = append(out, name)
		}
	}
	return out
}
