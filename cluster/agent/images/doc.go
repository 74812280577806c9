// Package images brings images onto the node and removes them again. It decides by the
// pull policy whether the runtime has to fetch one, with which credentials, and how long
// to leave a registry alone after it failed:
//
//	image_manager.go      is the image there, may it be pulled, did that work
//	pull_backoff.go       where the back-off of a pull grows
//	keyring.go            which credentials fit a repository
//	types.go              the reasons that a user meets: ErrImagePull, ImagePullBackOff …
//	image_gc_manager.go   which images go when the disk fills up
//
// Names, events and reasons are those of pkg/kubelet/images.
package images
