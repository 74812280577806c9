package etcd

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
)

// Options are the flags of the etcd process. A zero field takes its default in
// AddFlags; the names are etcd's own.
type Options struct {
	// Name is the member's name.
	Name string
	// DataDir holds the database and the write-ahead log.
	DataDir string
	// ClientURL is where clients are served, https only.
	ClientURL string
	// PeerURL is where other members would be served, https only.
	PeerURL string
	// MetricsURL serves /health and /metrics without TLS; "" leaves it out.
	MetricsURL string
	// CertFile and KeyFile are the serving pair, which is also this member's
	// identity to peers. TrustedCAFile is who may call: a client without a
	// certificate of this authority is refused.
	CertFile, KeyFile, TrustedCAFile string
	// QuotaBytes is the size of the database beyond which writes are refused.
	QuotaBytes int64
	// Heartbeat and Election are, in milliseconds, how often a leader is heard, and
	// after which silence there is an election.
	Heartbeat, Election uint
	// UnsafeNoFsync trades safety on power loss for speed; for tests.
	UnsafeNoFsync bool
}

const pkiDir = "/etc/kubernetes/pki/etcd"

// setDefaults fills in what is empty.
func (o *Options) setDefaults() {
	name, err := os.Hostname()
	if err != nil {
		name = "default" // etcd's own default; the name matters to nobody but etcd
	}
	for _, d := range []struct {
		field *string
		value string
	}{
		{&o.Name, name},
		{&o.DataDir, "/var/lib/etcd"},
		{&o.ClientURL, "https://127.0.0.1:2379"},
		{&o.PeerURL, "https://127.0.0.1:2380"},
		{&o.CertFile, filepath.Join(pkiDir, "server.crt")},
		{&o.KeyFile, filepath.Join(pkiDir, "server.key")},
		{&o.TrustedCAFile, filepath.Join(pkiDir, "ca.crt")},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if o.QuotaBytes == 0 {
		o.QuotaBytes = 1 << 30
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = heartbeatMillis
	}
	if o.Election == 0 {
		o.Election = electionMillis
	}
}

// AddFlags sets defaults and binds the flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	if o.MetricsURL == "" {
		o.MetricsURL = "http://127.0.0.1:2381"
	}
	o.setDefaults()
	fs.StringVar(&o.Name, "name", o.Name, "name of this member")
	fs.StringVar(&o.DataDir, "data-dir", o.DataDir, "folder of the database and the write-ahead log")
	fs.StringVar(&o.ClientURL, "listen-client-urls", o.ClientURL, "URL to serve clients on (https)")
	fs.StringVar(&o.PeerURL, "listen-peer-urls", o.PeerURL, "URL to serve other members on (https)")
	fs.StringVar(&o.MetricsURL, "listen-metrics-urls", o.MetricsURL, "URL to serve /health and /metrics on, without TLS; empty for none")
	fs.StringVar(&o.CertFile, "cert-file", o.CertFile, "serving certificate")
	fs.StringVar(&o.KeyFile, "key-file", o.KeyFile, "key of the serving certificate")
	fs.StringVar(&o.TrustedCAFile, "trusted-ca-file", o.TrustedCAFile, "authority that clients' certificates must be of")
	fs.Int64Var(&o.QuotaBytes, "quota-backend-bytes", o.QuotaBytes, "database size beyond which writes are refused")
	fs.UintVar(&o.Heartbeat, "heartbeat-interval", o.Heartbeat, "how often a leader is heard, in milliseconds")
	fs.UintVar(&o.Election, "election-timeout", o.Election, "after which silence there is an election, in milliseconds")
	fs.BoolVar(&o.UnsafeNoFsync, "unsafe-no-fsync", o.UnsafeNoFsync, "don't wait for the disk: faster, and loses data with the power")
}

// Validate names the first option that can't be right.
func (o *Options) Validate() error {
	for _, u := range []struct{ flag, value string }{
		{"listen-client-urls", o.ClientURL}, {"listen-peer-urls", o.PeerURL},
	} {
		if _, err := parseURL(u.flag, u.value, "https"); err != nil {
			return err
		}
	}
	if o.MetricsURL != "" {
		if _, err := parseURL("listen-metrics-urls", o.MetricsURL, "http"); err != nil {
			return err
		}
	}
	for _, f := range []struct{ flag, path string }{
		{"cert-file", o.CertFile}, {"key-file", o.KeyFile}, {"trusted-ca-file", o.TrustedCAFile},
	} {
		if _, err := os.Stat(f.path); err != nil {
			return fmt.Errorf("--%s: %w: `nori up` puts the certificates in place", f.flag, err)
		}
	}
	if o.Election < 5*o.Heartbeat {
		return fmt.Errorf("--election-timeout=%d must be at least five times --heartbeat-interval=%d", o.Election, o.Heartbeat)
	}
	if o.QuotaBytes < 16<<20 {
		return fmt.Errorf("--quota-backend-bytes=%d is below 16 MiB, too little for a cluster", o.QuotaBytes)
	}
	return nil
}

// parseURL reads a URL of one scheme, with a port.
func parseURL(flag, value, scheme string) (url.URL, error) {
	u, err := url.Parse(value)
	if err != nil {
		return url.URL{}, fmt.Errorf("--%s=%s: %w", flag, value, err)
	}
	if u.Scheme != scheme || u.Port() == "" {
		return url.URL{}, fmt.Errorf("--%s=%s: want %s://ADDRESS:PORT", flag, value, scheme)
	}
	return *u, nil
}
