package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// errNoObject: no such object here.
var errNoObject = errors.New("no such object")

// store keeps records as files below MinIO's data directory: DIR/BUCKET/HEX(OBJECT).json.
type store struct{ dir string }

func openStore(dir string) (*store, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	probe, err := os.CreateTemp(dir, ".standin-*")
	if err != nil {
		return nil, fmt.Errorf("data directory is not writable: %w", err)
	}
	probe.Close()
	return &store{dir: dir}, os.Remove(probe.Name())
}

func (s *store) file(bucket, object string) string {
	return filepath.Join(s.dir, bucket, hex.EncodeToString([]byte(object))+".json")
}

// put writes the record whole or not at all; an older record never replaces a newer one.
func (s *store) put(r *record) error {
	if old, err := s.get(r.Bucket, r.Object); err == nil && old.Written > r.Written {
		return nil
	}
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	file := s.file(r.Bucket, r.Object)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(file), ".part-*")
	if err != nil {
		return err
	}
	defer os.Remove(part.Name())
	if _, err = part.Write(data); err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	return os.Rename(part.Name(), file)
}

func (s *store) get(bucket, object string) (*record, error) {
	data, err := os.ReadFile(s.file(bucket, object))
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoObject
	}
	if err != nil {
		return nil, err
	}
	r := &record{}
	return r, json.Unmarshal(data, r)
}

// list gives the names of a bucket's objects, sorted; a bucket that is not there is empty.
func (s *store) list(bucket string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, bucket))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	names := []string{}
	for _, entry := range entries {
		name, err := hex.DecodeString(strings.TrimSuffix(entry.Name(), ".json"))
		if err == nil && len(name) > 0 && strings.HasSuffix(entry.Name(), ".json") {
			names = append(names, string(name))
		}
	}
	sort.Strings(names)
	return names, nil
}
