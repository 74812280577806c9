// Package auditpolicy holds the audit policy that the API server uses where no
// file gives another one. It is apart from the server so that the installer
// can put it on the control node without linking an API server.
package auditpolicy

import _ "embed"

// YAML is an audit.k8s.io/v1 Policy at level Metadata: who asked what of which
// object, when, and how it ended, but no bodies, so no Secret gets into the log.
//
//go:embed policy.yaml
var YAML []byte
