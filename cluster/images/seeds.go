package images

import (
	"runtime"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// foreignArch is a processor that this host's nodes don't have: a program built
// for it fails there with "exec format error".
var foreignArch = map[bool]string{true: "amd64", false: "arm64"}[runtime.GOARCH == "arm64"]

// foreignProgram is the labs' web program, really built for that processor.
var foreignProgram = "hello-" + foreignArch

// The testbed's registry: one name, one port that speaks HTTP to everybody and
// one that speaks HTTPS and asks for a password. No node can resolve the name
// until somebody sees to it.
const (
	RegistryHost    = "registry.noriter.test"
	OpenRegistry    = RegistryHost + ":5000"
	PrivateRegistry = RegistryHost + ":5443"
)

// seeds are what the testbed's registry has from the start: a team's web
// program in three builds, and the labs' own to play with. Its v2 was built on
// somebody's laptop, with another processor than the nodes have.
func seeds(shell, hello, foreign layer, config func(version, color string) v1.Config) []recipe {
	menu := func(version, color string) v1.Config {
		c := config(version, color)
		c.Env = append(slices.Clone(c.Env), "MESSAGE=Menu of the day")
		return c
	}
	both := []layer{shell, hello}
	return []recipe{
		{in: seedArchive, refs: []string{OpenRegistry + "/team/menu:v1"}, layers: both, config: menu("v1", colorBlue)},
		{in: seedArchive, refs: []string{OpenRegistry + "/team/menu:v2"}, layers: []layer{foreign}, arch: foreignArch, config: menu("v2", colorGreen)},
		{in: seedArchive, refs: []string{OpenRegistry + "/team/menu:v2-" + runtime.GOARCH}, layers: both, config: menu("v2", colorGreen)},
		{in: seedArchive, refs: []string{PrivateRegistry + "/team/menu:v3"}, layers: both, config: menu("v3", colorOrange)},
		{in: seedArchive, refs: []string{OpenRegistry + "/" + HelloRef}, layers: both, config: config("v1", colorBlue)},
		{in: seedArchive, refs: []string{OpenRegistry + "/" + HelloV2Ref}, layers: both, config: config("v2", colorGreen)},
		{in: seedArchive, refs: []string{OpenRegistry + "/" + BusyboxRef}, layers: []layer{shell},
			config: v1.Config{Cmd: []string{"sh"}, Env: []string{defaultPath}}},
	}
}
