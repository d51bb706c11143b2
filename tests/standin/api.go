package main

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/minio/kms-go/kes"
)

// api is everything that answers HTTP on MinIO's port.
type api struct {
	kms   *kmsClient
	store *store
	peers *peers
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,62}$`)

func newAPI(k *kmsClient, s *store, p *peers) http.Handler {
	a := &api{kms: k, store: s, peers: p}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /minio/health/live", a.live)
	mux.HandleFunc("GET /minio/health/ready", a.ready)
	mux.HandleFunc("GET /minio/health/cluster", a.cluster)
	mux.HandleFunc("GET /minio-standin/kms/status", a.kmsStatus)
	mux.HandleFunc("GET /minio-standin/counters", a.counters)
	mux.HandleFunc("GET "+environmentPath, a.environment)
	mux.HandleFunc("PUT "+recordPath, a.takeRecord)
	mux.HandleFunc("GET "+recordPath, a.giveRecord)
	mux.HandleFunc("GET "+listPath, a.giveList)
	mux.HandleFunc("GET /{bucket}", a.serving(a.list))
	mux.HandleFunc("GET /{bucket}/{$}", a.serving(a.list))
	mux.HandleFunc("PUT /{bucket}/{object...}", a.serving(a.put))
	mux.HandleFunc("GET /{bucket}/{object...}", a.serving(a.get))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", banner)
		mux.ServeHTTP(w, r)
	})
}

// live says 200 even while the node refuses objects: as MinIO does, and why it is the wrong check.
func (a *api) live(http.ResponseWriter, *http.Request) {}

// ready costs a generate.
func (a *api) ready(w http.ResponseWriter, r *http.Request) {
	if !a.kms.configured() {
		return
	}
	if _, err := a.kms.generate(r.Context(), kmsContext{}.encode()); err != nil {
		fail(w, http.StatusServiceUnavailable, "KMS: "+err.Error())
	}
}

func (a *api) cluster(w http.ResponseWriter, _ *http.Request) {
	if !a.peers.agreed.Load() {
		fail(w, http.StatusServiceUnavailable, "the peers do not have the same environment")
	}
}

func (a *api) kmsStatus(w http.ResponseWriter, r *http.Request) {
	switch err := a.kms.roundTrip(r.Context()); {
	case errors.Is(err, errNoKMS):
		fail(w, http.StatusNotImplemented, err.Error())
	case err != nil:
		fail(w, statusOf(err), err.Error())
	default:
		answer(w, map[string]any{"key": a.kms.settings.keyName, "round-trip": "ok", "answered-by": banner})
	}
}

func (a *api) counters(w http.ResponseWriter, _ *http.Request) { answer(w, a.kms.count.snapshot()) }

func (a *api) environment(w http.ResponseWriter, _ *http.Request) { answer(w, a.peers.mine) }

// serving guards S3 routes: 503 until the peers agree.
func (a *api) serving(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case !a.peers.agreed.Load():
			fail(w, http.StatusServiceUnavailable, "Server not initialized yet, please try again.")
		case !bucketName.MatchString(r.PathValue("bucket")):
			fail(w, http.StatusBadRequest, "not a bucket name")
		default:
			next(w, r)
		}
	}
}

func (a *api) put(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("object") == "" {
		return // making a bucket: it comes with its first object
	}
	plain, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRecord/2))
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	stored := &record{Bucket: r.PathValue("bucket"), Object: r.PathValue("object"), Written: time.Now().UnixNano()}
	if err := stored.seal(r.Context(), a.kms, plain); err != nil {
		fail(w, statusOf(err), err.Error())
		return
	}
	if err := a.store.put(stored); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	if missed := a.peers.replicate(r.Context(), stored); len(missed) > 0 {
		// Not an error: those peers fetch the record when they are asked for it.
		log.Printf("%s/%s is not yet on %s", stored.Bucket, stored.Object, strings.Join(missed, "; "))
	}
	w.Header().Set("X-Minio-Standin-Encrypted", map[bool]string{true: "yes", false: "no"}[stored.Key != ""])
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	stored, err := a.find(r, r.PathValue("bucket"), r.PathValue("object"))
	if err != nil {
		fail(w, statusOf(err), err.Error())
		return
	}
	plain, err := stored.open(r.Context(), a.kms)
	if err != nil {
		fail(w, statusOf(err), err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(plain)
}

// list decrypts every object's data key, one after another, as MinIO does.
func (a *api) list(w http.ResponseWriter, r *http.Request) {
	bucket := r.PathValue("bucket")
	own, err := a.store.list(bucket)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	all := map[string]bool{}
	for _, names := range append(a.peers.names(r.Context(), bucket), own) {
		for _, name := range names {
			all[name] = true
		}
	}
	type entry struct {
		Name string `json:"name"`
		Size int    `json:"size"`
	}
	out := []entry{}
	for name := range all {
		stored, err := a.find(r, bucket, name)
		if err != nil {
			fail(w, statusOf(err), name+": "+err.Error())
			return
		}
		plain, err := stored.open(r.Context(), a.kms)
		if err != nil {
			fail(w, statusOf(err), name+": "+err.Error())
			return
		}
		out = append(out, entry{Name: name, Size: len(plain)})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	answer(w, map[string]any{"objects": out})
}

// find takes the record from this node, else from a peer, and then keeps it.
func (a *api) find(r *http.Request, bucket, object string) (*record, error) {
	stored, err := a.store.get(bucket, object)
	if !errors.Is(err, errNoObject) {
		return stored, err
	}
	if stored, err = a.peers.fetch(r.Context(), bucket, object); err != nil {
		return nil, err
	}
	return stored, a.store.put(stored)
}

func (a *api) takeRecord(w http.ResponseWriter, r *http.Request) {
	stored := &record{}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRecord)).Decode(stored)
	if err != nil || !bucketName.MatchString(stored.Bucket) || stored.Object == "" {
		fail(w, http.StatusBadRequest, "not a record")
		return
	}
	if err := a.store.put(stored); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
	}
}

func (a *api) giveRecord(w http.ResponseWriter, r *http.Request) {
	bucket, object := r.URL.Query().Get("bucket"), r.URL.Query().Get("object")
	if !bucketName.MatchString(bucket) {
		fail(w, http.StatusBadRequest, "not a bucket name")
		return
	}
	stored, err := a.store.get(bucket, object)
	if err != nil {
		fail(w, statusOf(err), err.Error())
		return
	}
	answer(w, stored)
}

func (a *api) giveList(w http.ResponseWriter, r *http.Request) {
	bucket := r.URL.Query().Get("bucket")
	if !bucketName.MatchString(bucket) {
		fail(w, http.StatusBadRequest, "not a bucket name")
		return
	}
	names, err := a.store.list(bucket)
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	answer(w, names)
}

// statusOf turns an error into the answer's status; KES's own statuses pass through where S3 has them.
func statusOf(err error) int {
	var fromKES kes.Error
	switch {
	case errors.Is(err, errNoObject):
		return http.StatusNotFound
	case errors.As(err, &fromKES) && fromKES.Status() == http.StatusForbidden:
		return http.StatusForbidden
	case errors.As(err, &fromKES) && fromKES.Status() < 500:
		return http.StatusBadRequest
	}
	if _, lost := kes.IsConnError(err); lost {
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

func fail(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": message})
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
