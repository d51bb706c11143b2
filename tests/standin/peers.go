package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	environmentPath = "/minio-standin/peer/environment"
	recordPath      = "/minio-standin/peer/record"
	listPath        = "/minio-standin/peer/list"

	peerTimeout = 3 * time.Second // a peer that is down or rebooting must not hold a request for long
	askEvery    = 500 * time.Millisecond
	maxRecord   = 64 << 20
)

// peers is the rest of the deployment. Only hashes of the environment and sealed records travel.
type peers struct {
	others []node
	mine   map[string]string // checksums of this node's environment
	agreed atomic.Bool
	client *http.Client
}

func newPeers(nodes []node, self int, mine map[string]string) *peers {
	p := &peers{mine: mine, client: &http.Client{Timeout: peerTimeout}}
	for i, n := range nodes {
		if i != self {
			p.others = append(p.others, n)
		}
	}
	return p
}

// enough: MinIO serves when half of the peers, rounded down, have the same environment. So two
// halves of a deployment can serve side by side with different values, and of two nodes each
// serves alone.
func enough(agreeing, peers int) bool { return agreeing >= peers/2 }

// waitForAgreement returns true once enough peers agree, and false when ctx ends before. As in
// MinIO the comparison is made at start only.
func (p *peers) waitForAgreement(ctx context.Context) bool {
	said := ""
	for {
		agreeing, report := p.compare(ctx)
		if report != said && report != "" {
			log.Print(report)
		}
		said = report
		if enough(agreeing, len(p.others)) {
			p.agreed.Store(true)
			log.Printf("%d of %d peers have the same environment", agreeing, len(p.others))
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(askEvery):
		}
	}
}

// compare asks every peer; the report names mismatches and peers that do not answer.
func (p *peers) compare(ctx context.Context) (agreeing int, report string) {
	findings := make([]string, len(p.others))
	p.each(func(i int, n node) {
		var theirs map[string]string
		if err := p.call(ctx, http.MethodGet, n.url(environmentPath), nil, &theirs); err != nil {
			findings[i] = fmt.Sprintf("waiting for peer %s", n.name())
		} else if names := differing(p.mine, theirs); len(names) > 0 {
			findings[i] = fmt.Sprintf("ERROR: Mismatching environment values: peer %s differs in %s",
				n.name(), strings.Join(names, ", "))
		}
	})
	var lines []string
	for _, finding := range findings {
		if finding == "" {
			agreeing++
		} else {
			lines = append(lines, finding)
		}
	}
	return agreeing, strings.Join(lines, "; ")
}

// replicate sends a sealed record to all peers, and says which did not take it.
func (p *peers) replicate(ctx context.Context, r *record) (missed []string) {
	data, err := json.Marshal(r)
	if err != nil {
		return []string{err.Error()}
	}
	failed := make([]error, len(p.others))
	p.each(func(i int, n node) {
		failed[i] = p.call(ctx, http.MethodPut, n.url(recordPath), data, nil)
	})
	for i, err := range failed {
		if err != nil {
			missed = append(missed, p.others[i].name()+": "+err.Error())
		}
	}
	return missed
}

// fetch asks the peers for a record that this node missed, because it was away during the PUT.
func (p *peers) fetch(ctx context.Context, bucket, object string) (*record, error) {
	query := url.Values{"bucket": {bucket}, "object": {object}}
	for _, n := range p.others {
		r := &record{}
		if err := p.call(ctx, http.MethodGet, n.url(recordPath)+"?"+query.Encode(), nil, r); err == nil {
			return r, nil
		}
	}
	return nil, errNoObject
}

// names lists a bucket on all peers that answer.
func (p *peers) names(ctx context.Context, bucket string) [][]string {
	lists := make([][]string, len(p.others))
	p.each(func(i int, n node) {
		_ = p.call(ctx, http.MethodGet, n.url(listPath)+"?"+url.Values{"bucket": {bucket}}.Encode(), nil, &lists[i])
	})
	return lists
}

func (p *peers) each(do func(int, node)) {
	var all sync.WaitGroup
	for i, n := range p.others {
		all.Add(1)
		go func() {
			defer all.Done()
			do(i, n)
		}()
	}
	all.Wait()
}

func (p *peers) call(ctx context.Context, method, target string, body []byte, out any) error {
	request, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := p.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxRecord))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return errors.New(response.Status)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}
