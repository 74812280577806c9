package apiserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"strconv"
	"time"

	"github.com/google/uuid"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/sets"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	"k8s.io/apiserver/pkg/server/filters"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/util/compatibility"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	basecompatibility "k8s.io/component-base/compatibility"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	"k8s.io/kubernetes/pkg/capabilities"
)

// setUpServing opens the port and says how requests are taken.
func (a *assembly) setUpServing() error {
	network, err := a.options.serviceNetwork()
	if err != nil {
		return err
	}
	a.serviceNetwork = network
	// Privileged containers are a matter of Pod security admission, not of
	// this server; upstream's --allow-privileged.
	capabilities.Setup(true, 0)

	c := genericapiserver.NewConfig(legacyscheme.Codecs)
	c.EffectiveVersion = compatibility.DefaultComponentGlobalsRegistry.EffectiveVersionFor(basecompatibility.DefaultKubeComponent)
	c.FeatureGate = utilfeature.DefaultFeatureGate
	c.LongRunningFunc = filters.BasicLongRunningRequestCheck(
		sets.NewString("watch", "proxy"),
		sets.NewString("attach", "exec", "proxy", "log", "portforward"),
	)
	// Closing watches rather than waiting for them lets the server end fast.
	c.ShutdownWatchTerminationGracePeriod = 100 * time.Millisecond
	a.config = c

	serving, err := a.listen()
	if err != nil {
		return err
	}
	if err := serving.ApplyTo(&c.SecureServing); err != nil {
		return fmt.Errorf("reading the serving certificate: %w", err)
	}
	if c.PublicAddress, err = a.publicAddress(); err != nil {
		return err
	}
	c.ExternalAddress = c.PublicAddress.String()
	return a.setUpLoopback()
}

// listen opens the port at once, so that what connects early waits for an
// answer and is not turned away.
func (a *assembly) listen() (*genericoptions.SecureServingOptions, error) {
	address := net.JoinHostPort(a.options.BindAddress, strconv.Itoa(a.options.SecurePort))
	listener, port, err := genericoptions.CreateListener("tcp", address, net.ListenConfig{})
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", address, err)
	}
	return &genericoptions.SecureServingOptions{
		BindAddress: net.ParseIP(a.options.BindAddress),
		BindPort:    port,
		Listener:    listener,
		ServerCert: genericoptions.GeneratableKeyCert{CertKey: genericoptions.CertKey{
			CertFile: a.options.CertFile, KeyFile: a.options.KeyFile,
		}},
		HTTP2MaxStreamsPerConnection: 1000,
	}, nil
}

// publicAddress is what the Service "kubernetes" leads to.
func (a *assembly) publicAddress() (net.IP, error) {
	if a.options.AdvertiseAddress != "" {
		return net.ParseIP(a.options.AdvertiseAddress), nil
	}
	ip, err := utilnet.ResolveBindAddress(net.ParseIP(a.options.BindAddress))
	if err != nil {
		return nil, fmt.Errorf("finding this machine's address (set --advertise-address): %w", err)
	}
	return ip, nil
}

// setUpLoopback makes the identity by which the server calls itself: a
// certificate under a name that nobody else asks for, and a token that never
// leaves the process. Upstream makes an RSA pair at each start, which costs an
// emulated CPU a second; an elliptic-curve pair costs nothing.
func (a *assembly) setUpLoopback() error {
	certPEM, keyPEM, err := selfSigned(genericapiserver.LoopbackClientServerNameOverride)
	if err != nil {
		return fmt.Errorf("making the loopback certificate: %w", err)
	}
	content, err := dynamiccertificates.NewStaticSNICertKeyContent(
		"self-signed loopback", certPEM, keyPEM, genericapiserver.LoopbackClientServerNameOverride)
	if err != nil {
		return fmt.Errorf("making the loopback certificate: %w", err)
	}
	serving := a.config.SecureServing
	serving.SNICerts = append([]dynamiccertificates.SNICertKeyContentProvider{content}, serving.SNICerts...)
	loopback, err := serving.NewLoopbackClientConfig(uuid.NewString(), certPEM)
	if err != nil {
		return fmt.Errorf("making the loopback client: %w", err)
	}
	loopback.ContentType = "application/vnd.kubernetes.protobuf"
	loopback.DisableCompression = true
	loopback.QPS = -1 // the server need not protect itself from itself
	a.config.LoopbackClientConfig = loopback
	return nil
}

// selfSigned makes a certificate that is its own authority, for one name.
func selfSigned(name string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              time.Now().AddDate(3, 0, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), nil
}

// setUpClients makes the client and the caches by which the server looks at
// its own objects, as any other client would.
func (a *assembly) setUpClients() error {
	client, err := kubernetes.NewForConfig(a.config.LoopbackClientConfig)
	if err != nil {
		return err
	}
	a.client = client
	a.informers = informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTransform(dropManagedFields))
	return nil
}
