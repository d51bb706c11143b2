package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var ellipsis = regexp.MustCompile(`\{([0-9]+)\.\.\.([0-9]+)\}`)

// expand replaces every `{1...4}` in s, the last one turning fastest, as MinIO does for volumes and
// for MINIO_KMS_KES_ENDPOINT. Leading zeros are kept: `{01...10}`.
func expand(s string) ([]string, error) {
	at := ellipsis.FindStringSubmatchIndex(s)
	if at == nil {
		if strings.ContainsAny(s, "{}") {
			return nil, fmt.Errorf("%q: braces must hold a range such as {1...4}", s)
		}
		return []string{s}, nil
	}
	first, last := s[at[2]:at[3]], s[at[4]:at[5]]
	low, err1 := strconv.Atoi(first)
	high, err2 := strconv.Atoi(last)
	if err1 != nil || err2 != nil || high < low {
		return nil, fmt.Errorf("%q: the range {%s...%s} is empty", s, first, last)
	}
	tails, err := expand(s[at[1]:])
	if err != nil {
		return nil, err
	}
	var out []string
	for n := low; n <= high; n++ {
		number := strconv.Itoa(n)
		if strings.HasPrefix(first, "0") && len(first) > 1 {
			number = fmt.Sprintf("%0*d", len(first), n)
		}
		for _, tail := range tails {
			out = append(out, s[:at[0]]+number+tail)
		}
	}
	return out, nil
}
