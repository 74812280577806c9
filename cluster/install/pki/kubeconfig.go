package pki

import (
	"bytes"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"noriter.dev/noriter/internal/lang"
)

// kubeconfig is a file for one client, with the certificates in it, so that
// it can be carried about by itself.
func (b *Bundle) kubeconfig(file, context, user string) ([]byte, error) {
	cluster := b.cluster.Name
	data, err := clientcmd.Write(api.Config{
		Clusters: map[string]*api.Cluster{cluster: {
			Server:                   b.cluster.server(),
			CertificateAuthorityData: b.content[clusterCA+".crt"],
		}},
		AuthInfos: map[string]*api.AuthInfo{user: {
			ClientCertificateData: b.content[file+".crt"],
			ClientKeyData:         b.content[file+".key"],
		}},
		Contexts:       map[string]*api.Context{context: {Cluster: cluster, AuthInfo: user}},
		CurrentContext: context,
	})
	if err != nil {
		return nil, lang.Errorf("pki: writing the kubeconfig of %s: %w", "pki: %s의 kubeconfig 쓰기: %w", user, err)
	}
	return data, nil
}

// componentKubeconfig names its context as kubeadm does, USER@CLUSTER.
func (b *Bundle) componentKubeconfig(file, user string) ([]byte, error) {
	return b.kubeconfig(file, user+"@"+b.cluster.Name, user)
}

// writeAdminKubeconfigs keeps the kubeconfigs for people beside the keys: the one
// that is used, and the one that helps when RBAC has taken that one's rights.
func (b *Bundle) writeAdminKubeconfigs() error {
	if err := b.writePersonal(adminConf, adminClient, "kubernetes-admin"); err != nil {
		return err
	}
	return b.writePersonal(SuperAdminConf, superAdminClient, "kubernetes-super-admin")
}

// writePersonal writes a kubeconfig whose context is named after the testbed.
func (b *Bundle) writePersonal(name, pair, user string) error {
	data, err := b.kubeconfig(pair, b.cluster.Name, user)
	if err != nil {
		return err
	}
	old, err := b.read(name)
	if err != nil {
		return err
	}
	if old != nil {
		data = keepNamespaces(old, data)
	}
	if bytes.Equal(old, data) {
		return nil
	}
	return b.write(name, data)
}

// keepNamespaces gives the contexts of a new kubeconfig the namespaces that they
// had: a lab, or a person, may have set one. An old file that can't be read has
// none to keep.
func keepNamespaces(old, fresh []byte) []byte {
	was, err := clientcmd.Load(old)
	if err != nil {
		return fresh
	}
	now, err := clientcmd.Load(fresh)
	if err != nil {
		return fresh
	}
	for name, c := range now.Contexts {
		if o := was.Contexts[name]; o != nil {
			c.Namespace = o.Namespace
		}
	}
	data, err := clientcmd.Write(*now)
	if err != nil {
		return fresh
	}
	return data
}
