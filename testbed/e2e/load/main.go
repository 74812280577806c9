// Command load asks for a page again and again, each time on a connection of
// its own, and prints how many answers came in a second. The benchmarks run it
// on a node, to compare the ways to a pod.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	lasts := flag.Duration("for", 3*time.Second, "how long")
	workers := flag.Int("c", 4, "how many at once")
	host := flag.String("host", "", "Host header, if not the URL's")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: load [-for D] [-c N] [-host H] URL")
		os.Exit(2)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	var good, bad atomic.Int64
	var last atomic.Value
	var all sync.WaitGroup
	end := time.Now().Add(*lasts)
	for range *workers {
		all.Go(func() {
			for time.Now().Before(end) {
				if err := get(client, flag.Arg(0), *host); err != nil {
					last.Store(err.Error())
					bad.Add(1)
					continue
				}
				good.Add(1)
			}
		})
	}
	all.Wait()
	if bad.Load() > 0 {
		fmt.Fprintf(os.Stderr, "load: %d of %d requests failed, the last by: %v\n", bad.Load(), bad.Load()+good.Load(), last.Load())
		os.Exit(1)
	}
	fmt.Printf("%.1f\n", float64(good.Load())/lasts.Seconds())
}

func get(client *http.Client, url, host string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Host = host
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}
