package deployment

import (
	"log/slog"
	"os"
	"testing"
)

// The decisions of hundreds of rollouts would hide what fails.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	os.Exit(m.Run())
}
