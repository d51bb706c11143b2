package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/minio/kms-go/kes"
)

var messages = map[int]string{
	400: "invalid request body",
	403: "not authorized: insufficient permissions",
	404: "key does not exist",
}

// kesAnswering is an HTTPS server that answers generate and create with fixed statuses and notes
// the requests. It is not a key server; what is tested is what MinIO's rules make of the answers.
func kesAnswering(t *testing.T, generate, create int) (settings, func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		seen = append(seen, r.URL.Path+" "+string(body))
		mu.Unlock()
		status := generate
		if strings.HasPrefix(r.URL.Path, "/v1/key/create/") {
			status = create
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status == http.StatusOK {
			fmt.Fprintf(w, `{"plaintext":%q,"ciphertext":"eA=="}`, base64.StdEncoding.EncodeToString(make([]byte, 32)))
		} else {
			fmt.Fprintf(w, `{"message":%q}`, messages[status])
		}
	}))
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	key, err := kes.GenerateAPIKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return settings{endpoints: []string{server.URL}, keyName: "k", apiKey: key.String(), caPath: ca}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return append([]string(nil), seen...)
	}
}

func TestStartGeneratesWithAnEmptyContext(t *testing.T) {
	s, seen := kesAnswering(t, 200, 200)
	if _, err := startKMS(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	// `{}` in base64
	if got := seen(); len(got) != 1 || !strings.Contains(got[0], `/v1/key/generate/k {"context":"e30="}`) {
		t.Errorf("calls: %q", got)
	}
}

func TestStartCreatesAMissingKey(t *testing.T) {
	// 403 to create is accepted: an operator may withhold it.
	for _, create := range []int{200, 403} {
		s, seen := kesAnswering(t, 404, create)
		_, err := startKMS(context.Background(), s)
		if calls := seen(); err != nil || len(calls) != 2 || calls[1] != "/v1/key/create/k " {
			t.Errorf("create %d: %v, calls %q", create, err, calls)
		}
	}
}

func TestStartGoesOnHalfWorkingWhenRefused(t *testing.T) {
	s, seen := kesAnswering(t, 403, 200)
	if _, err := startKMS(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	if got := seen(); len(got) != 1 {
		t.Errorf("calls: %q", got)
	}
}

func TestStartIsFatalOnAnyOtherAnswer(t *testing.T) {
	s, _ := kesAnswering(t, 400, 200)
	if _, err := startKMS(context.Background(), s); err == nil {
		t.Error("want a fatal error")
	}
}

func TestStartIsFatalWhenNobodyListens(t *testing.T) {
	s, _ := kesAnswering(t, 200, 200)
	gone := httptest.NewTLSServer(nil)
	gone.Close()
	s.endpoints = []string{gone.URL}
	if _, err := startKMS(context.Background(), s); err == nil {
		t.Error("want a fatal error")
	}
}

func TestStartIsFatalWhenTheCAIsUnknown(t *testing.T) {
	s, _ := kesAnswering(t, 200, 200)
	s.caPath = ""
	if _, err := startKMS(context.Background(), s); err == nil {
		t.Error("want a fatal error")
	}
}

// member starts one node's HTTP side on loopback, without a KMS.
func member(t *testing.T, env ...string) (*api, *httptest.Server, node) {
	t.Helper()
	s, err := openStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := newPeers([]node{{}}, 0, checksums(minioEnvironment(env)))
	a := &api{kms: &kmsClient{}, store: s, peers: p}
	server := httptest.NewServer(newAPI(a.kms, s, p))
	t.Cleanup(server.Close)
	u, _ := url.Parse(server.URL)
	return a, server, node{host: u.Hostname(), port: u.Port(), path: s.dir}
}

func status(t *testing.T, method, target, body string) (int, string) {
	t.Helper()
	request, _ := http.NewRequest(method, target, strings.NewReader(body))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	data, _ := io.ReadAll(response.Body)
	return response.StatusCode, string(data)
}

func TestMismatchedNodeServes503AndIsAlive(t *testing.T) {
	odd, oddServer, _ := member(t, "MINIO_KMS_KES_KEY_NAME=other")
	for range 3 {
		_, _, n := member(t, "MINIO_KMS_KES_KEY_NAME=same")
		odd.peers.others = append(odd.peers.others, n)
	}
	agreeing, report := odd.peers.compare(context.Background())
	if agreeing != 0 || !strings.Contains(report, "Mismatching environment values") ||
		!strings.Contains(report, "MINIO_KMS_KES_KEY_NAME") || strings.Contains(report, "=other") {
		t.Errorf("compare: %d, %q", agreeing, report)
	}
	for path, want := range map[string]int{
		"/minio/health/live": 200, "/minio/health/cluster": 503, "/bucket/object": 503, "/bucket": 503,
	} {
		if got, _ := status(t, "GET", oddServer.URL+path, ""); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

func TestNodeServesOnceOnePeerOfThreeAgrees(t *testing.T) {
	late, server, _ := member(t, "MINIO_X=1")
	_, _, same := member(t, "MINIO_X=1")
	_, _, different := member(t, "MINIO_X=2")
	down := httptest.NewServer(nil)
	down.Close()
	u, _ := url.Parse(down.URL)
	late.peers.others = []node{different, {host: u.Hostname(), port: u.Port()}, same}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if !late.peers.waitForAgreement(ctx) {
		t.Fatal("no agreement")
	}
	if got, _ := status(t, "GET", server.URL+"/minio/health/cluster", ""); got != 200 {
		t.Errorf("cluster health %d", got)
	}
}

func TestObjectsAreReadableOnAllNodes(t *testing.T) {
	first, firstServer, firstNode := member(t)
	second, secondServer, secondNode := member(t)
	first.peers.others, second.peers.others = []node{secondNode}, []node{firstNode}
	first.peers.agreed.Store(true)
	second.peers.agreed.Store(true)
	if got, body := status(t, "PUT", firstServer.URL+"/bucket/a/b", "hello"); got != 200 {
		t.Fatalf("PUT: %d %s", got, body)
	}
	if _, err := second.store.get("bucket", "a/b"); err != nil {
		t.Errorf("not replicated: %v", err)
	}
	// What the second node missed while it was away, it fetches.
	if err := first.store.put(&record{Bucket: "bucket", Object: "missed", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if got, body := status(t, "GET", secondServer.URL+"/bucket/missed", ""); got != 200 || body != "x" {
		t.Errorf("GET of a missed object: %d %q", got, body)
	}
	_, listing := status(t, "GET", secondServer.URL+"/bucket/", "")
	var parsed struct{ Objects []struct{ Name string } }
	if err := json.Unmarshal([]byte(listing), &parsed); err != nil || len(parsed.Objects) != 2 {
		t.Errorf("list: %q, %v", listing, err)
	}
	if got, _ := status(t, "GET", secondServer.URL+"/bucket/none", ""); got != 404 {
		t.Errorf("missing object: %d", got)
	}
}
