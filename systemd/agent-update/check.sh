#!/bin/sh
# Can the agent of this host be replaced? Nothing is touched yet.
set -eu
. ./place.sh

# free_kib PATH
free_kib() { df -Pk "$1" | awk 'NR == 2 { print $4 }'; }

# room PATH KIB WHAT
room() {
  free=$(free_kib "$1")
  [ "$free" -ge "$2" ] || fail "$3 needs $(($2 / 1024)) MiB in $1, where $((free / 1024)) MiB are free"
}

[ "$(id -u)" = 0 ] || fail "it runs as $(id -un), and only root can replace it"
[ -d /run/systemd/system ] || fail "this host's init is not systemd"
[ -x /usr/lib/drover-agent/node ] || fail "it was not installed from a package; install.sh of the coordinator does that"
systemctl is-active --quiet drover-agent.service || fail "it does not run as drover-agent.service"
[ -e "$package" ] || fail "the coordinator offers no $(basename "$package")"
if systemctl is-active --quiet "$unit"; then fail "$unit is at work: journalctl -u $unit"; fi

# Both versions are there for a while: the new one beside the old one, and the old one kept.
size=$(du -sk /usr/lib/drover-agent | cut -f 1)
room /usr $((size + 16384)) 'the new version'
room "$state" $((size * 3 + 16384)) 'the copy of the old version'
echo "drover-agent $(installed_version) ($kind, $architecture) can be replaced by $version"
