package main

import (
	"fmt"
	"os"
	"time"
)

// config is what the environment says; see the package comment.
type config struct {
	port, pod, podIP, namespace, node string
	version, color, message           string
	startDelay, readyDelay, stopDelay time.Duration
}

// readConfig reads the environment through get. A duration that can't be read
// is an error that names the variable: a pod that quietly starts with another
// value than the one written in its manifest teaches the wrong thing.
func readConfig(get func(string) string) (config, error) {
	c := config{
		port: get("PORT"), pod: get("POD_NAME"), podIP: get("POD_IP"), namespace: get("POD_NAMESPACE"),
		node: get("NODE_NAME"), version: get("VERSION"), color: get("COLOR"), message: get("MESSAGE"),
	}
	defaults := []struct {
		field *string
		value string
	}{
		{&c.port, "8080"}, {&c.version, "v1"}, {&c.color, "white"}, {&c.message, "Hello"},
	}
	for _, d := range defaults {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if c.pod == "" {
		name, err := os.Hostname()
		if err != nil {
			return c, fmt.Errorf("POD_NAME is not set and the host has no name: %w", err)
		}
		c.pod = name
	}
	delays := []struct {
		name  string
		field *time.Duration
	}{
		{"START_DELAY", &c.startDelay}, {"READY_DELAY", &c.readyDelay}, {"STOP_DELAY", &c.stopDelay},
	}
	for _, d := range delays {
		value := get(d.name)
		if value == "" {
			continue
		}
		parsed, err := time.ParseDuration(value)
		if err != nil || parsed < 0 {
			return c, fmt.Errorf("%s is %q: want a duration such as 5s or 500ms", d.name, value)
		}
		*d.field = parsed
	}
	return c, nil
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown (NODE_NAME is not set)"
	}
	return s
}
