package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"openkes.invalid/bench/internal/figures"
	"openkes.invalid/bench/internal/service"
)

// verifier makes data keys, looks at each, and opens some of them later, when no clock runs.
type verifier struct {
	server   service.Service
	wrong    *figures.Failures
	every    int
	constant bool

	number atomic.Int64
	mu     sync.Mutex
	kept   []sample
}

type sample struct {
	binding []byte
	key     service.DataKey
}

const keyBytes = 32

// generate makes one data key, for an object of its own as MinIO does.
func (v *verifier) generate(ctx context.Context) (sample, error) {
	number := v.number.Add(1)
	s := sample{binding: fmt.Appendf(nil, `{"bucket":"bucket/object-%d"}`, number)}
	var err error
	s.key, err = v.server.Generate(ctx, s.binding)
	switch {
	case err != nil:
		return s, err
	case len(s.key.Plaintext) != keyBytes:
		return s, fmt.Errorf("a data key has %d bytes", len(s.key.Plaintext))
	case len(s.key.Ciphertext) == 0:
		return s, errors.New("a data key has no ciphertext")
	}
	if number%int64(v.every) == 0 {
		v.mu.Lock()
		v.kept = append(v.kept, s)
		v.mu.Unlock()
	}
	return s, nil
}

// decrypt opens one, which must give what it was made with.
func (v *verifier) decrypt(ctx context.Context, s sample) error {
	plain, err := v.server.Decrypt(ctx, s.key.Ciphertext, s.binding)
	if err != nil {
		return err
	}
	if !bytes.Equal(plain, s.key.Plaintext) {
		return errors.New("a ciphertext opens to another data key")
	}
	return nil
}

// open opens all that were kept, says how many, and notes what is wrong with them.
func (v *verifier) open(ctx context.Context) int {
	const openers = 8
	seen := map[string]bool{}
	work := make(chan sample)
	var all sync.WaitGroup
	for range openers {
		all.Add(1)
		go func() {
			defer all.Done()
			for s := range work {
				v.wrong.Add(v.decrypt(ctx, s))
			}
		}()
	}
	for _, s := range v.kept {
		if plain := string(s.key.Plaintext); seen[plain] && !v.constant {
			v.wrong.Add(errors.New("two data keys are the same"))
		} else {
			seen[plain] = true
		}
		work <- s
	}
	close(work)
	all.Wait()
	return len(v.kept)
}
