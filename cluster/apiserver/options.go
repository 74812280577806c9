package apiserver

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"
	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// Options are the flags of the API server. A zero field takes its default in
// AddFlags; the names are kube-apiserver's own.
type Options struct {
	// BindAddress and SecurePort are where HTTPS is served; port 0 takes any
	// free one. AdvertiseAddress is what the Service "kubernetes" leads to.
	BindAddress      string
	SecurePort       int
	AdvertiseAddress string
	// CertFile and KeyFile are the serving pair.
	CertFile, KeyFile string

	// EtcdServers and the files below reach the store; EtcdPrefix comes
	// before every key.
	EtcdServers                           []string
	EtcdCAFile, EtcdCertFile, EtcdKeyFile string
	EtcdPrefix                            string
	// EncryptionConfig says which resources are encrypted at rest, and how.
	EncryptionConfig string

	// ClientCAFile is the authority of users' certificates. RequestHeaderCAFile
	// is that of front proxies with one of RequestHeaderAllowedNames, whose
	// headers about the user are believed.
	ClientCAFile, RequestHeaderCAFile string
	RequestHeaderAllowedNames         []string
	// ProxyClientCertFile and ProxyClientKeyFile are this server's own
	// identity as a front proxy, to aggregated API servers and webhooks.
	ProxyClientCertFile, ProxyClientKeyFile string

	// ServiceAccountKeyFiles check service-account tokens,
	// ServiceAccountSigningKeyFile signs new ones, ServiceAccountIssuer is
	// their "iss" claim.
	ServiceAccountKeyFiles       []string
	ServiceAccountSigningKeyFile string
	ServiceAccountIssuer         string

	// ServiceClusterIPRange and ServiceNodePortRange are what Services are
	// given addresses and ports from.
	ServiceClusterIPRange string
	ServiceNodePortRange  utilnet.PortRange

	// KubeletCAFile checks node agents; the pair is shown to them.
	KubeletCAFile, KubeletCertFile, KubeletKeyFile string

	// EnableAdmission and DisableAdmission change the default list.
	EnableAdmission, DisableAdmission []string

	// AuditPolicyFile says what is audited; without the file the built-in
	// policy holds. AuditLogPath takes the JSON lines ("-" is standard
	// output, "" no audit), is rotated at AuditLogMaxSize MiB and kept
	// AuditLogMaxBackups times.
	AuditPolicyFile, AuditLogPath       string
	AuditLogMaxSize, AuditLogMaxBackups int

	// EventTTL is how long Events are kept.
	EventTTL time.Duration
	// Verbosity is klog's; 0 shows warnings and errors only.
	Verbosity int
}

const (
	etcKubernetes = "/etc/kubernetes"
	pkiDir        = etcKubernetes + "/pki"
)

// setDefaults fills in what is empty.
func (o *Options) setDefaults() {
	for _, d := range []struct {
		field *string
		value string
	}{
		{&o.BindAddress, "0.0.0.0"},
		{&o.CertFile, filepath.Join(pkiDir, "apiserver.crt")},
		{&o.KeyFile, filepath.Join(pkiDir, "apiserver.key")},
		{&o.EtcdCAFile, filepath.Join(pkiDir, "etcd/ca.crt")},
		{&o.EtcdCertFile, filepath.Join(pkiDir, "apiserver-etcd-client.crt")},
		{&o.EtcdKeyFile, filepath.Join(pkiDir, "apiserver-etcd-client.key")},
		{&o.EtcdPrefix, "/registry"},
		{&o.EncryptionConfig, filepath.Join(etcKubernetes, "encryption.yaml")},
		{&o.ClientCAFile, filepath.Join(pkiDir, "ca.crt")},
		{&o.RequestHeaderCAFile, filepath.Join(pkiDir, "front-proxy-ca.crt")},
		{&o.ProxyClientCertFile, filepath.Join(pkiDir, "front-proxy-client.crt")},
		{&o.ProxyClientKeyFile, filepath.Join(pkiDir, "front-proxy-client.key")},
		{&o.ServiceAccountSigningKeyFile, filepath.Join(pkiDir, "sa.key")},
		{&o.ServiceAccountIssuer, "https://kubernetes.default.svc.cluster.local"},
		{&o.ServiceClusterIPRange, "10.96.0.0/16"},
		{&o.KubeletCAFile, filepath.Join(pkiDir, "ca.crt")},
		{&o.KubeletCertFile, filepath.Join(pkiDir, "apiserver-kubelet-client.crt")},
		{&o.KubeletKeyFile, filepath.Join(pkiDir, "apiserver-kubelet-client.key")},
		{&o.AuditPolicyFile, filepath.Join(etcKubernetes, "audit-policy.yaml")},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if len(o.EtcdServers) == 0 {
		o.EtcdServers = []string{"https://127.0.0.1:2379"}
	}
	if len(o.RequestHeaderAllowedNames) == 0 {
		o.RequestHeaderAllowedNames = []string{"front-proxy-client"}
	}
	if len(o.ServiceAccountKeyFiles) == 0 {
		o.ServiceAccountKeyFiles = []string{filepath.Join(pkiDir, "sa.pub")}
	}
	if o.ServiceNodePortRange.Size == 0 {
		o.ServiceNodePortRange = utilnet.PortRange{Base: 30000, Size: 2768}
	}
	if o.AuditLogMaxSize == 0 {
		o.AuditLogMaxSize = 20
	}
	if o.AuditLogMaxBackups == 0 {
		o.AuditLogMaxBackups = 2
	}
	if o.EventTTL == 0 {
		o.EventTTL = time.Hour
	}
}

// AddFlags sets defaults and binds the flags.
func (o *Options) AddFlags(fs *pflag.FlagSet) {
	if o.SecurePort == 0 {
		o.SecurePort = 6443
	}
	if o.AuditLogPath == "" {
		o.AuditLogPath = "/var/log/kubernetes/audit.log"
	}
	o.setDefaults()
	for _, f := range []struct {
		field       *string
		name, usage string
	}{
		{&o.BindAddress, "bind-address", "address to serve HTTPS on"},
		{&o.AdvertiseAddress, "advertise-address", "address that the Service kubernetes leads to; by default that of the default route's interface"},
		{&o.CertFile, "tls-cert-file", "serving certificate"},
		{&o.KeyFile, "tls-private-key-file", "key of the serving certificate"},
		{&o.EtcdCAFile, "etcd-cafile", "authority of etcd's certificate"},
		{&o.EtcdCertFile, "etcd-certfile", "client certificate for etcd"},
		{&o.EtcdKeyFile, "etcd-keyfile", "key of the client certificate for etcd"},
		{&o.EtcdPrefix, "etcd-prefix", "what comes before every key in etcd"},
		{&o.EncryptionConfig, "encryption-provider-config", "file that says what is encrypted at rest"},
		{&o.ClientCAFile, "client-ca-file", "authority of users' certificates"},
		{&o.RequestHeaderCAFile, "requestheader-client-ca-file", "authority of front proxies' certificates"},
		{&o.ProxyClientCertFile, "proxy-client-cert-file", "certificate shown to aggregated API servers"},
		{&o.ProxyClientKeyFile, "proxy-client-key-file", "key of the certificate shown to aggregated API servers"},
		{&o.ServiceAccountSigningKeyFile, "service-account-signing-key-file", "key that signs service-account tokens"},
		{&o.ServiceAccountIssuer, "service-account-issuer", "issuer in service-account tokens"},
		{&o.ServiceClusterIPRange, "service-cluster-ip-range", "network of Services"},
		{&o.KubeletCAFile, "kubelet-certificate-authority", "authority of node agents' serving certificates"},
		{&o.KubeletCertFile, "kubelet-client-certificate", "client certificate for node agents"},
		{&o.KubeletKeyFile, "kubelet-client-key", "key of the client certificate for node agents"},
		{&o.AuditPolicyFile, "audit-policy-file", "what is audited; the built-in policy if the file is missing"},
		{&o.AuditLogPath, "audit-log-path", "where the audit log goes; - is standard output"},
	} {
		fs.StringVar(f.field, f.name, *f.field, f.usage)
	}
	fs.IntVar(&o.SecurePort, "secure-port", o.SecurePort, "port to serve HTTPS on")
	fs.StringSliceVar(&o.EtcdServers, "etcd-servers", o.EtcdServers, "etcd's URLs")
	fs.StringSliceVar(&o.RequestHeaderAllowedNames, "requestheader-allowed-names", o.RequestHeaderAllowedNames, "common names of front proxies")
	fs.StringSliceVar(&o.ServiceAccountKeyFiles, "service-account-key-file", o.ServiceAccountKeyFiles, "keys that check service-account tokens")
	fs.Var(&o.ServiceNodePortRange, "service-node-port-range", "ports for Services of type NodePort")
	fs.StringSliceVar(&o.EnableAdmission, "enable-admission-plugins", o.EnableAdmission, "admission plug-ins besides the default ones")
	fs.StringSliceVar(&o.DisableAdmission, "disable-admission-plugins", o.DisableAdmission, "default admission plug-ins to leave out")
	fs.IntVar(&o.AuditLogMaxSize, "audit-log-maxsize", o.AuditLogMaxSize, "MiB after which the audit log is rotated")
	fs.IntVar(&o.AuditLogMaxBackups, "audit-log-maxbackup", o.AuditLogMaxBackups, "rotated audit logs to keep")
	fs.DurationVar(&o.EventTTL, "event-ttl", o.EventTTL, "how long Events are kept")
	fs.IntVarP(&o.Verbosity, "v", "v", o.Verbosity, "how much the libraries log: 0 is warnings and errors")
}

// Validate names every option that can't be right.
func (o *Options) Validate() error {
	var errs []error
	if _, err := netip.ParseAddr(o.BindAddress); err != nil {
		errs = append(errs, fmt.Errorf("--bind-address: %w", err))
	}
	if o.AdvertiseAddress != "" {
		if _, err := netip.ParseAddr(o.AdvertiseAddress); err != nil {
			errs = append(errs, fmt.Errorf("--advertise-address: %w", err))
		}
	}
	if o.SecurePort < 0 || o.SecurePort > 65535 {
		errs = append(errs, fmt.Errorf("--secure-port=%d: a port is between 1 and 65535", o.SecurePort))
	}
	if _, err := o.serviceNetwork(); err != nil {
		errs = append(errs, err)
	}
	for _, f := range o.inputFiles() {
		if _, err := os.Stat(f.path); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w: `nori up` puts it in place", f.flag, err))
		}
	}
	errs = append(errs, o.validateAdmission())
	return errors.Join(errs...)
}

// file is one that must be there.
type file struct{ flag, path string }

func (o *Options) inputFiles() []file {
	files := []file{
		{"tls-cert-file", o.CertFile}, {"tls-private-key-file", o.KeyFile},
		{"etcd-cafile", o.EtcdCAFile}, {"etcd-certfile", o.EtcdCertFile}, {"etcd-keyfile", o.EtcdKeyFile},
		{"encryption-provider-config", o.EncryptionConfig},
		{"client-ca-file", o.ClientCAFile}, {"requestheader-client-ca-file", o.RequestHeaderCAFile},
		{"proxy-client-cert-file", o.ProxyClientCertFile}, {"proxy-client-key-file", o.ProxyClientKeyFile},
		{"service-account-signing-key-file", o.ServiceAccountSigningKeyFile},
		{"kubelet-certificate-authority", o.KubeletCAFile},
		{"kubelet-client-certificate", o.KubeletCertFile}, {"kubelet-client-key", o.KubeletKeyFile},
	}
	for _, f := range o.ServiceAccountKeyFiles {
		files = append(files, file{"service-account-key-file", f})
	}
	return files
}

// serviceNetwork is the network of Services: between /12, the largest the
// allocator takes, and /28.
func (o *Options) serviceNetwork() (net.IPNet, error) {
	p, err := netip.ParsePrefix(o.ServiceClusterIPRange)
	if err != nil {
		return net.IPNet{}, fmt.Errorf("--service-cluster-ip-range: %w", err)
	}
	if !p.Addr().Is4() || p.Bits() < 12 || p.Bits() > 28 || p != p.Masked() {
		return net.IPNet{}, fmt.Errorf("--service-cluster-ip-range=%s: want an IPv4 network between /12 and /28, such as 10.96.0.0/16", o.ServiceClusterIPRange)
	}
	return net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), 32)}, nil
}
