package images

import "time"

// The reasons for which a container waits for its image, as its status shows them
// (pkg/kubelet/images/types.go and k8s.io/cri-api/pkg/errors).
const (
	ErrImagePull        = "ErrImagePull"
	ImagePullBackOff    = "ImagePullBackOff"
	ErrImageNeverPull   = "ErrImageNeverPull"
	InvalidImageName    = "InvalidImageName"
	ImageInspectError   = "ImageInspectError"
	RegistryUnavailable = "RegistryUnavailable"
	SignatureInvalid    = "SignatureValidationFailed"
)

// Error is why an image is not there: what the container's waiting state shows.
type Error struct {
	Reason  string // one of the constants above
	Message string
	// Delay is the back-off in force; 0 if there is none.
	Delay time.Duration
}

func (e *Error) Error() string { return e.Reason + ": " + e.Message }
