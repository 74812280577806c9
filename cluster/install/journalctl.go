package install

import (
	"strings"

	"noriter.dev/noriter/provision/machine"
)

// journalctlFile is a journalctl that knows a component by its usual name, too:
// `journalctl -u kube-scheduler` shows what the real one has of nori-scheduler.
//
// systemd's aliases are for systemctl alone. The journal takes a unit's word for
// another name (OBJECT_SYSTEMD_UNIT) only if it runs as root, and most of ours don't.
func journalctlFile(n Node) machine.File {
	var names strings.Builder
	c := &Cluster{}
	for _, name := range unitsOf(n) {
		alias := c.unit(name, n, facts{}).Alias
		names.WriteString("    " + alias + "|" + alias + ".service) echo " + name + " ;;\n")
	}
	return machine.File{
		Path: "/usr/local/bin/journalctl", Mode: 0o755,
		Content: []byte(strings.Replace(journalctlScript, "NAMES\n", names.String(), 1)),
	}
}

// journalctlScript puts our names in the place of the usual ones, where an argument
// names a unit: -u NAME, -xeu NAME, -uNAME, --unit NAME, --unit=NAME.
const journalctlScript = `#!/bin/sh
# The journal knows the components as nori-…; this finds them by their usual
# names, too, and leaves all else to the real journalctl.
name() {
  case $1 in
NAMES
    *) echo "$1" ;;
  esac
}
before=
for arg; do
  shift
  case $before in
    --unit | -u | -[a-zA-Z]*u) arg=$(name "$arg") before= ;;
    *)
      before=$arg
      case $arg in
        --unit=*) arg=--unit=$(name "${arg#--unit=}") ;;
        -u?*) arg=-u$(name "${arg#-u}") ;;
      esac ;;
  esac
  set -- "$@" "$arg"
done
exec /usr/bin/journalctl "$@"
`
