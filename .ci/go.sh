# Sourced: finds, or installs, a Go that can build this module. Go 1.21 and
# later fetch the toolchain that go.mod names by themselves.

go_can() {
  command -v go >/dev/null || return 1
  v=$(go env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//')
  major=${v%%.*} rest=${v#*.} minor=${rest%%.*}
  want=$(sed -n 's/^go 1\.\([0-9]*\).*/\1/p' "$(dirname "$0")/../go.mod")
  [ "${major:-0}" -ge 1 ] || return 1
  [ "${minor:-0}" -ge "$want" ] && return 0
  [ "${minor:-0}" -ge 21 ] && [ "${GOTOOLCHAIN:-auto}" != local ]
}

ensure_go() {
  PATH=$PATH:/usr/local/bin:/usr/local/go/bin:/usr/lib/go/bin
  export GOTOOLCHAIN="${GOTOOLCHAIN:-auto}"
  go_can && return 0
  release=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
  case "$release" in
  bookworm)
    # Debian 12's own Go is too old to fetch another; its backports are not.
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m1 '/debian/\?$')
    echo "deps: Go is missing and will be installed from bookworm-backports"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri bookworm-backports main" |
      as_root tee /etc/apt/sources.list.d/noriter-backports.list >/dev/null
    as_root apt-get update -q
    p=$(apt-cache search --names-only '^golang-1\.[0-9]+-go$' | awk '{print $1}' | sort -t. -k2n | tail -1)
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -t bookworm-backports "$p"
    v=${p#golang-}
    as_root ln -sf "/usr/lib/go-${v%-go}/bin/go" /usr/local/bin/go
    ;;
  *)
    if command -v apt-get >/dev/null; then
      echo "deps: Go is missing and will be installed: golang-go"
      as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends golang-go
    else
      echo "deps: Go is missing and will be installed: golang"
      as_root dnf install -y -q golang
    fi
    ;;
  esac
  go_can || { echo "deps: $(go version 2>/dev/null || echo 'no Go') can't fetch the toolchain that go.mod names; install Go 1.21 or later" >&2; exit 3; }
}
