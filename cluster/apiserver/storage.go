package apiserver

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/apiserver/pkg/storage/storagebackend"
	"k8s.io/kubernetes/pkg/kubeapiserver"
)

// setUpStorage says how objects lie in etcd: as protobuf, in the preferred
// version of each group, Secrets encrypted, with a cache in front from which
// reads and watches are served.
func (a *assembly) setUpStorage() error {
	o := a.options
	backend := storagebackend.NewDefaultConfig(o.EtcdPrefix, nil)
	backend.Transport.ServerList = o.EtcdServers
	backend.Transport.TrustedCAFile = o.EtcdCAFile
	backend.Transport.CertFile = o.EtcdCertFile
	backend.Transport.KeyFile = o.EtcdKeyFile
	backend.Transport.TracerProvider = a.config.TracerProvider
	// How many objects there are is counted by asking etcd for each resource;
	// upstream asks every minute, for its metrics and for priority and fairness.
	backend.CountMetricPollPeriod = 10 * time.Minute
	backend.DBMetricPollInterval = 0
	backend.EventsHistoryWindow = a.config.RequestTimeout + 15*time.Second

	a.etcd = genericoptions.NewEtcdOptions(backend)
	a.etcd.DefaultStorageMediaType = "application/vnd.kubernetes.protobuf"
	a.etcd.EncryptionProviderConfigFilepath = o.EncryptionConfig
	sizes, err := genericoptions.WriteWatchCacheSizes(kubeapiserver.DefaultWatchCacheSizes())
	if err != nil {
		return err
	}
	a.etcd.WatchCacheSizes = sizes

	a.config.MergedResourceConfig = servedResources()
	factory := kubeapiserver.NewStorageFactoryConfigEffectiveVersion(a.config.EffectiveVersion)
	factory.APIResourceConfig = a.config.MergedResourceConfig
	factory.DefaultResourceEncoding.SetEffectiveVersion(a.config.EffectiveVersion)
	if a.storageFactory, err = factory.Complete(a.etcd).New(); err != nil {
		return fmt.Errorf("deciding how objects are stored: %w", err)
	}
	a.storageFactory.StorageConfig.StorageObjectCountTracker = a.config.StorageObjectCountTracker
	return a.etcd.ApplyWithStorageFactoryTo(a.storageFactory, a.config)
}

// dropManagedFields keeps the record of who set which field out of the
// server's own caches: nothing there reads it, and it is half of an object.
func dropManagedFields(obj any) (any, error) {
	if m, err := meta.Accessor(obj); err == nil && m.GetManagedFields() != nil {
		m.SetManagedFields(nil)
	}
	return obj, nil
}
