package apiserver

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"gopkg.in/natefinch/lumberjack.v2"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/audit/policy"
	logbackend "k8s.io/apiserver/plugin/pkg/audit/log"

	"noriter.dev/noriter/cluster/apiserver/auditpolicy"
)

// setUpAudit writes a line of JSON about each request that the policy names.
func (a *assembly) setUpAudit() error {
	if a.options.AuditLogPath == "" {
		return nil
	}
	data, err := os.ReadFile(a.options.AuditPolicyFile)
	if errors.Is(err, fs.ErrNotExist) {
		data, err = auditpolicy.YAML, nil
	}
	if err != nil {
		return fmt.Errorf("reading --audit-policy-file: %w", err)
	}
	rules, err := policy.LoadPolicyFromBytes(data)
	if err != nil {
		return fmt.Errorf("--audit-policy-file %s: %w", a.options.AuditPolicyFile, err)
	}
	w, err := a.auditWriter()
	if err != nil {
		return err
	}
	a.config.AuditPolicyRuleEvaluator = policy.NewPolicyRuleEvaluator(rules)
	// Written at once and not in batches: whoever follows a trace waits for it.
	a.config.AuditBackend = logbackend.NewBackend(w, logbackend.FormatJson, auditv1.SchemeGroupVersion)
	return nil
}

// auditWriter is the audit log, rotated by size.
func (a *assembly) auditWriter() (io.Writer, error) {
	path := a.options.AuditLogPath
	if path == "-" {
		return os.Stdout, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("making the folder of the audit log: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("opening the audit log: %w", err)
	}
	return &lumberjack.Logger{
		Filename: path, MaxSize: a.options.AuditLogMaxSize, MaxBackups: a.options.AuditLogMaxBackups,
	}, nil
}
