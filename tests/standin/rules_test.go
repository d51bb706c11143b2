package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	for in, want := range map[string][]string{
		"https://k:7373":             {"https://k:7373"},
		"https://k{1...3}:7373":      {"https://k1:7373", "https://k2:7373", "https://k3:7373"},
		"h{09...10}":                 {"h09", "h10"},
		"http://h{1...2}:9/d{1...2}": {"http://h1:9/d1", "http://h1:9/d2", "http://h2:9/d1", "http://h2:9/d2"},
	} {
		got, err := expand(in)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("expand(%q) = %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"h{3...1}", "h{1..3}", "h{a...c}", "h{1...3"} {
		if got, err := expand(in); err == nil {
			t.Errorf("expand(%q) = %v, want an error", in, got)
		}
	}
}

func TestArguments(t *testing.T) {
	got, err := parseArgs([]string{"server", "--console-address", ":9001", "--address=:9009", "http://h{1...4}:9009/d"}, "")
	want := arguments{address: ":9009", volumes: []string{"http://h{1...4}:9009/d"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	got, err = parseArgs([]string{"server"}, "/a /b")
	if err != nil || !reflect.DeepEqual(got, arguments{address: ":9000", volumes: []string{"/a", "/b"}}) {
		t.Errorf("volumes from the environment: %+v, %v", got, err)
	}
	for _, argv := range [][]string{{}, {"server"}, {"serve", "/d"}, {"server", "--address"}, {"server", "--address", "9000", "/d"}} {
		if got, err := parseArgs(argv, ""); err == nil {
			t.Errorf("parseArgs(%q) = %+v, want an error", argv, got)
		}
	}
}

func TestVolumes(t *testing.T) {
	got, err := parseVolumes([]string{"http://minio-{1...2}:9000/d{1...2}"})
	want := []node{{"minio-1", "9000", "/d1"}, {"minio-2", "9000", "/d1"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{"https://h:9000/d", "http://h:9000", "d"} {
		if got, err := parseVolumes([]string{bad}); err == nil {
			t.Errorf("parseVolumes(%q) = %v, want an error", bad, got)
		}
	}
}

// valid is an environment that MinIO starts with; a test changes one thing in it.
func valid(change map[string]string, remove ...string) map[string]string {
	env := map[string]string{
		"MINIO_KMS_KES_ENDPOINT":  "https://kes-{1...2}:7373, https://other:7373",
		"MINIO_KMS_KES_KEY_NAME":  "my-master-key",
		"MINIO_KMS_KES_KEY_FILE":  "/etc/openkes/client.key",
		"MINIO_KMS_KES_CERT_FILE": "/etc/openkes/client.crt",
		"MINIO_KMS_KES_CAPATH":    "/etc/openkes/ca.crt",
	}
	for name, value := range change {
		env[name] = value
	}
	for _, name := range remove {
		delete(env, name)
	}
	return env
}

func TestSettings(t *testing.T) {
	got, err := readSettings(valid(map[string]string{"MINIO_KMS_AUTO_ENCRYPTION": "on"}))
	want := settings{
		endpoints: []string{"https://kes-1:7373", "https://kes-2:7373", "https://other:7373"},
		keyName:   "my-master-key", keyFile: "/etc/openkes/client.key", certFile: "/etc/openkes/client.crt",
		caPath: "/etc/openkes/ca.crt", autoEncryption: true,
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if got, err := readSettings(map[string]string{"MINIO_ROOT_USER": "u"}); err != nil || len(got.endpoints) != 0 {
		t.Errorf("without KMS variables: %+v, %v", got, err)
	}
}

func TestFatalEnvironments(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"static key":        valid(map[string]string{"MINIO_KMS_SECRET_KEY": "k:v"}),
		"empty static key":  valid(map[string]string{"MINIO_KMS_SECRET_KEY_FILE": ""}),
		"other KMS, empty":  valid(map[string]string{"MINIO_KMS_SERVER": ""}),
		"two others":        {"MINIO_KMS_SERVER": "s", "MINIO_KMS_SECRET_KEY": "k:v"},
		"pair and API key":  valid(map[string]string{"MINIO_KMS_KES_API_KEY": "kes:v1:x"}),
		"no endpoint":       valid(nil, "MINIO_KMS_KES_ENDPOINT"),
		"http endpoint":     valid(map[string]string{"MINIO_KMS_KES_ENDPOINT": "http://k:7373"}),
		"no key name":       valid(map[string]string{"MINIO_KMS_KES_KEY_NAME": ""}),
		"no key file":       valid(nil, "MINIO_KMS_KES_KEY_FILE"),
		"no certificate":    valid(nil, "MINIO_KMS_KES_CERT_FILE"),
		"endpoint ellipsis": valid(map[string]string{"MINIO_KMS_KES_ENDPOINT": "https://k{3...1}:7373"}),
	} {
		if got, err := readSettings(env); err == nil {
			t.Errorf("%s: got %+v, want a fatal error", name, got)
		}
	}
}

func TestMisspeltCAPathIsSilentlyIgnored(t *testing.T) {
	env := valid(map[string]string{"MINIO_KMS_KES_CA_PATH": "/ca"}, "MINIO_KMS_KES_CAPATH")
	if got, err := readSettings(env); err != nil || got.caPath != "" {
		t.Errorf("got %+v, %v; want no CA and no error", got, err)
	}
}

func TestDiffering(t *testing.T) {
	mine := checksums(minioEnvironment([]string{"MINIO_A=1", "MINIO_B=2", "MINIO_OPTS=x", "MINIO_ROOT_PASSWORD=p", "HOME=/"}))
	theirs := checksums(minioEnvironment([]string{"MINIO_A=1", "MINIO_B=3", "MINIO_C=", "MINIO_OPTS=y"}))
	if got := differing(mine, theirs); !reflect.DeepEqual(got, []string{"MINIO_B", "MINIO_C"}) {
		t.Errorf("got %v", got)
	}
	for name, sum := range mine {
		if strings.Contains(sum, "=") || len(sum) != 64 {
			t.Errorf("%s travels as %q, not as a hash", name, sum)
		}
	}
}

func TestEnough(t *testing.T) {
	for _, c := range []struct {
		agreeing, peers int
		want            bool
	}{{0, 0, true}, {0, 1, true}, {0, 3, false}, {1, 3, true}, {6, 15, false}, {7, 15, true}} {
		if got := enough(c.agreeing, c.peers); got != c.want {
			t.Errorf("enough(%d of %d) = %v", c.agreeing, c.peers, got)
		}
	}
}

func TestContextIsCanonicalJSON(t *testing.T) {
	if got := string(kmsContext{"b": "2", "a": "1"}.encode()); got != `{"a":"1","b":"2"}` {
		t.Errorf("got %s", got)
	}
	if got := string((&record{Bucket: "b", Object: "o/p"}).context()); got != `{"b":"b/o/p"}` {
		t.Errorf("got %s", got)
	}
	if got := string(kmsContext(nil).encode()); got != `{}` {
		t.Errorf("got %s", got)
	}
}

func TestStoreKeepsTheNewest(t *testing.T) {
	s, err := openStore(filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	for _, written := range []int64{2, 1, 3, 2} {
		if err := s.put(&record{Bucket: "bucket", Object: "a/../b", Written: written}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.get("bucket", "a/../b")
	if err != nil || got.Written != 3 {
		t.Errorf("got %+v, %v; want the third", got, err)
	}
	if names, err := s.list("bucket"); err != nil || !reflect.DeepEqual(names, []string{"a/../b"}) {
		t.Errorf("list: %v, %v", names, err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "bucket", ".part-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRootsFromAFileThatHoldsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadRoots(file); err == nil || !strings.Contains(err.Error(), "MINIO_KMS_KES_CAPATH") {
		t.Errorf("got %v", err)
	}
	if _, err := loadRoots(filepath.Dir(file)); err != nil {
		t.Errorf("a directory may hold other files: %v", err)
	}
}
