package apiserver

import (
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle"
	mutatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/mutating"
	validatingpolicy "k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/resourcequota"
	mutatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/mutating"
	validatingwebhook "k8s.io/apiserver/pkg/admission/plugin/webhook/validating"
	"k8s.io/kubernetes/plugin/pkg/admission/alwayspullimages"
	certapproval "k8s.io/kubernetes/plugin/pkg/admission/certificates/approval"
	certsigning "k8s.io/kubernetes/plugin/pkg/admission/certificates/signing"
	certsubject "k8s.io/kubernetes/plugin/pkg/admission/certificates/subjectrestriction"
	"k8s.io/kubernetes/plugin/pkg/admission/defaulttolerationseconds"
	"k8s.io/kubernetes/plugin/pkg/admission/gc"
	"k8s.io/kubernetes/plugin/pkg/admission/limitranger"
	"k8s.io/kubernetes/plugin/pkg/admission/network/defaultingressclass"
	"k8s.io/kubernetes/plugin/pkg/admission/network/denyserviceexternalips"
	"k8s.io/kubernetes/plugin/pkg/admission/nodedeclaredfeatures"
	"k8s.io/kubernetes/plugin/pkg/admission/noderestriction"
	"k8s.io/kubernetes/plugin/pkg/admission/nodetaint"
	"k8s.io/kubernetes/plugin/pkg/admission/podnodeselector"
	"k8s.io/kubernetes/plugin/pkg/admission/podresize"
	"k8s.io/kubernetes/plugin/pkg/admission/podtopologylabels"
	"k8s.io/kubernetes/plugin/pkg/admission/priority"
	"k8s.io/kubernetes/plugin/pkg/admission/runtimeclass"
	"k8s.io/kubernetes/plugin/pkg/admission/security/podsecurity"
	"k8s.io/kubernetes/plugin/pkg/admission/serviceaccount"
	"k8s.io/kubernetes/plugin/pkg/admission/storage/persistentvolume/resize"
	"k8s.io/kubernetes/plugin/pkg/admission/storage/storageclass/setdefault"
	"k8s.io/kubernetes/plugin/pkg/admission/storage/storageobjectinuseprotection"
)

// admissionPlugin is one link of the chain.
type admissionPlugin struct {
	name     string
	register func(*admission.Plugins)
	// on says that it is in the chain without being asked for.
	on bool
}

// admissionPlugins are all plug-ins in the order in which they are asked;
// webhooks and quotas come last, since they must see the finished object. The
// default ones are upstream's and NodeRestriction, which kubeadm turns on too.
var admissionPlugins = []admissionPlugin{
	// Refuses objects in a namespace that is missing or being deleted.
	{lifecycle.PluginName, lifecycle.Register, true},
	// Sets a container's missing requests and limits, refuses excessive ones.
	{limitranger.PluginName, limitranger.Register, true},
	// Gives each pod a service account and mounts its token.
	{serviceaccount.PluginName, serviceaccount.Register, true},
	// Lets an agent write only its own node and the pods on it.
	{noderestriction.PluginName, noderestriction.Register, true},
	// Keeps pods off a new node until its conditions are known.
	{nodetaint.PluginName, nodetaint.Register, true},
	{alwayspullimages.PluginName, alwayspullimages.Register, false},
	// Enforces the Pod Security Standards that a namespace's labels ask for.
	{podsecurity.PluginName, podsecurity.Register, true},
	{podnodeselector.PluginName, podnodeselector.Register, false},
	// Turns a PriorityClass's name into its value.
	{priority.PluginName, priority.Register, true},
	// Lets a pod stay on an unreachable node for 300 s.
	{defaulttolerationseconds.PluginName, defaulttolerationseconds.Register, true},
	// Gives a claim the default StorageClass.
	{setdefault.PluginName, setdefault.Register, true},
	// Puts the finalizers that keep volumes in use from being deleted.
	{storageobjectinuseprotection.PluginName, storageobjectinuseprotection.Register, true},
	{gc.PluginName, gc.Register, false},
	// Refuses a bigger claim where the class doesn't allow expansion.
	{resize.PluginName, resize.Register, true},
	// Adds a runtime class's overhead to the pod.
	{runtimeclass.PluginName, runtimeclass.Register, true},
	// Who may approve, sign, and ask for which certificates.
	{certapproval.PluginName, certapproval.Register, true},
	{certsigning.PluginName, certsigning.Register, true},
	{certsubject.PluginName, certsubject.Register, true},
	// Gives an Ingress the default class.
	{defaultingressclass.PluginName, defaultingressclass.Register, true},
	{denyserviceexternalips.PluginName, denyserviceexternalips.Register, false},
	// Copies the node's topology labels to a pod when it is bound.
	{podtopologylabels.PluginName, podtopologylabels.Register, true},
	// Refuses pod updates that need what the node lacks.
	{nodedeclaredfeatures.PluginName, nodedeclaredfeatures.Register, true},
	{podresize.PluginName, podresize.Register, true},
	// Policies and webhooks of the cluster's own.
	{mutatingpolicy.PluginName, mutatingpolicy.Register, true},
	{mutatingwebhook.PluginName, mutatingwebhook.Register, true},
	{validatingpolicy.PluginName, validatingpolicy.Register, true},
	{validatingwebhook.PluginName, validatingwebhook.Register, true},
	// Last: counts what has passed everything else.
	{resourcequota.PluginName, resourcequota.Register, true},
}
