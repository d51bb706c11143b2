package service

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
)

// transit is OpenBao's transit engine over its own HTTP API. Its data keys are bound to nothing.
type transit struct {
	client   *http.Client
	generate string
	decrypt  string
	token    string
}

func newTransit(client *http.Client, o *Options) *transit {
	return &transit{
		client:   client,
		generate: o.Endpoint + "/v1/transit/datakey/plaintext/" + o.Name,
		decrypt:  o.Endpoint + "/v1/transit/decrypt/" + o.Name,
		token:    os.Getenv("BAO_TOKEN"),
	}
}

type transitAnswer struct {
	Data struct {
		Plaintext  []byte `json:"plaintext"`
		Ciphertext string `json:"ciphertext"` // vault:v1:…
	} `json:"data"`
}

func (t *transit) Generate(ctx context.Context, _ []byte) (DataKey, error) {
	answer, err := t.ask(ctx, t.generate, map[string]string{})
	return DataKey{answer.Data.Plaintext, []byte(answer.Data.Ciphertext)}, err
}

func (t *transit) Decrypt(ctx context.Context, ciphertext, _ []byte) ([]byte, error) {
	answer, err := t.ask(ctx, t.decrypt, map[string]string{"ciphertext": string(ciphertext)})
	return answer.Data.Plaintext, err
}

func (t *transit) ask(ctx context.Context, url string, fields map[string]string) (transitAnswer, error) {
	var answer transitAnswer
	body, err := json.Marshal(fields)
	if err != nil {
		return answer, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	request.Header.Set("X-Vault-Token", t.token)
	response, err := t.client.Do(request)
	if err != nil {
		return answer, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 200))
		return answer, fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(text))
	}
	if err = json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return answer, err
	}
	// To the end: a connection is kept only then.
	_, err = io.Copy(io.Discard, response.Body)
	return answer, err
}
