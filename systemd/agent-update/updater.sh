#!/bin/sh
# Replaces the agent of this host, and puts the old version back unless the new one is connected to its coordinator within the time and
# stays so for a few seconds. Started by update.sh as drover-agent-update.service; whatever ends it, systemd starts it again, also
# after a reboot, and it goes on where it was. In its directory:
#   job       what to do: kind, package, version, previous, healthy_within_seconds
#   phase     how far it is: kept, installed, putting-back
#   kept.*    what was installed before, as a package of its own
#   log       what it says; update.sh shows it as the output of the hook
#   verdict   the end: updated; put-back; unchanged, when nothing was done
set -u
work=$(cd "$(dirname "$0")" && pwd)
state=${work%/*}
service=drover-agent.service
unit=drover-agent-update.service
# Connected for so long, by one and the same process.
settle_seconds=5
files='usr/lib/drover-agent usr/bin/drover-agent usr/lib/systemd/system/drover-agent.service usr/lib/tmpfiles.d/drover-agent.conf usr/share/doc/drover-agent'
. "$work/job"

main() {
  exec >> "$work/log" 2>&1
  cd /
  phase=$(cat "$work/phase" 2> /dev/null || echo new)
  [ ! -e "$work/verdict" ] || finish
  goes_on=''
  if [ "$phase" != new ]; then
    goes_on=yes
    say "goes on; it was: $phase"
  fi
  if [ "$phase" = new ]; then
    keep_previous || end unchanged "$previous could not be kept, so nothing was changed"
    reach kept
  fi
  if [ "$phase" = kept ]; then
    say "installing $version"
    install_package "$package" 60 || {
      # Only when this is the first try: an earlier one may have been cut off in the middle.
      [ -z "$is_locked" ] || [ -n "$goes_on" ] || end unchanged "another dpkg was at work all the time, so nothing was changed"
      put_back "$version could not be installed"
    }
    reach installed
  fi
  if [ "$phase" = installed ]; then
    wait_until_healthy "$version" || put_back "$version was not connected within $healthy_within_seconds s: $why"
    end updated "$version runs and is connected"
  fi
  put_back "$version was given up before"
}

# What is installed, as it is, in one file that can be installed again.
keep_previous() {
  rm -rf "$work/tree" "$work/kept.part"
  if [ "$kind" = deb ]; then keep_deb || return 1; else keep_archive || return 1; fi
  sync "$work/kept.part"
  mv "$work/kept.part" "$work/kept.$kind"
  rm -rf "$work/tree"
}

keep_deb() {
  mkdir -p "$work/tree/DEBIAN" || return 1
  # Not the configuration: dpkg would take what is in it now for what the package came with, and the next package would replace it.
  dpkg-query --listfiles drover-agent | sed -n 's|^/||p' | grep -v '^etc\(/\|$\)' | while read -r path; do
    if [ -e "/$path" ]; then printf '%s\n' "$path"; fi
  done > "$work/tree.list"
  tar -cf "$work/kept.part" --no-recursion -C / -T "$work/tree.list" || return 1
  tar -xf "$work/kept.part" -C "$work/tree" || return 1
  dpkg-query --show --showformat 'Package: ${Package}\nVersion: ${Version}\nArchitecture: ${Architecture}\nMaintainer: ${Maintainer}
Depends: ${Depends}\nRecommends: ${Recommends}\nSection: ${Section}\nPriority: ${Priority}\nDescription: ${Description}\n' drover-agent |
    sed '/^[A-Za-z-]*: *$/d' > "$work/tree/DEBIAN/control" || return 1
  for script in preinst postinst prerm postrm; do
    [ ! -e "/var/lib/dpkg/info/drover-agent.$script" ] || cp -p "/var/lib/dpkg/info/drover-agent.$script" "$work/tree/DEBIAN/" || return 1
  done
  dpkg-deb --root-owner-group -Znone -b "$work/tree" "$work/kept.part" > /dev/null
}

keep_archive() {
  # shellcheck disable=SC2086
  tar -cf "$work/kept.part" -C / $files
}

# install_package FILE TRIES
install_package() {
  is_locked=''
  if [ "$kind" = deb ]; then run_dpkg "$1" "$2"; else
    tar -xf "$1" -C / --no-same-owner --keep-directory-symlink || return 1
    # As dpkg does: a power cut would leave empty files, half a minute after all was well and the old ones gone.
    sync -f /usr 2> /dev/null || sync
    systemd-tmpfiles --create drover-agent.conf || true
    systemctl daemon-reload
    # Whether it comes up is looked at by who called.
    systemctl restart --no-block "$service"
  fi
}

# Another dpkg may be at work; it is waited for, with two seconds between the tries. The scripts of the package restart the agent.
run_dpkg() {
  tries=0
  while :; do
    said=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --force-downgrade -i "$1" 2>&1) && return 0
    tries=$((tries + 1))
    case $said in *'locked by another process'*)
      is_locked=yes
      [ "$tries" -ge "$2" ] || { sleep 2; continue; }
      ;;
    *) is_locked='' ;;
    esac
    printf '%s\n' "$said"
    return 1
  done
}

# wait_until_healthy VERSION; why = what was missing.
wait_until_healthy() {
  waited=0 settled=0 settled_pid=''
  while [ "$waited" -lt "$healthy_within_seconds" ]; do
    if is_connected "$1" && { [ -z "$settled_pid" ] || [ "$settled_pid" = "$pid" ]; }; then
      settled=$((settled + 1)) settled_pid=$pid
      [ "$settled" -lt "$settle_seconds" ] || return 0
    else
      settled=0 settled_pid=''
    fi
    sleep 1
    waited=$((waited + 1))
  done
  return 1
}

# What systemd and the agent's own status file say; the program itself is not asked, since it may be what is broken.
is_connected() {
  pid=$(systemctl show --property MainPID --value "$service")
  why="$service is $(systemctl is-active "$service")"
  [ "$(systemctl is-active "$service")" = active ] || return 1
  why='it says nothing in its status file'
  grep -q "\"pid\":${pid}[,}]" "$state/status.json" || return 1
  why="another version than $1 runs"
  grep -qF "\"version\":\"$1\"" "$state/status.json" || return 1
  why='it is not connected to its coordinator'
  grep -qF '"state":"connected"' "$state/status.json"
}

# put_back REASON
put_back() {
  [ "$phase" = putting-back ] || say "$1"
  reach putting-back
  say "its last words:"
  # Of its processes alone; what systemd says of them is in the reason.
  journalctl --boot --no-pager --output cat --lines 15 "_SYSTEMD_UNIT=$service" | cut -c 1-300
  say "putting $previous back"
  # What is half installed stays so until then: an upgrade of the whole system may take a while.
  if ! install_package "$work/kept.$kind" 600; then
    say "$previous could not be installed again; it is in $work/kept.$kind"
    # The work of a human now, who needs what is in the directory.
    printf 'broken\n' > "$work/verdict"
    remove_unit
    exit 0
  fi
  # Also when systemd has given it up, or it is disabled in its restarts.
  systemctl reset-failed "$service" 2> /dev/null || true
  systemctl restart --no-block "$service"
  if wait_until_healthy "$previous"; then end put-back "$previous is back, and is connected"; fi
  end put-back "$previous is back, and not connected after $healthy_within_seconds s: $why"
}

# reach PHASE: durable before what follows.
reach() {
  phase=$1
  printf '%s\n' "$1" > "$work/phase.part"
  sync "$work/phase.part"
  mv "$work/phase.part" "$work/phase"
  sync "$work"
}

# end VERDICT TEXT
end() {
  say "$2"
  # First what gives room for the rest on a disk that is full.
  rm -rf "$work/tree" "$work/tree.list" "$work"/new.*
  printf '%s\n' "$1" > "$work/verdict.part"
  sync "$work/verdict.part"
  mv "$work/verdict.part" "$work/verdict"
  sync "$work"
  finish
}

# Only now nothing can go on that would want the version before.
finish() {
  [ "$(cat "$work/verdict")" = broken ] || rm -f "$work"/kept.*
  remove_unit
  exit 0
}

remove_unit() {
  systemctl disable --quiet --no-reload "$unit"
  rm -f "/etc/systemd/system/$unit"
  systemctl daemon-reload
}

say() { echo "updater: $*"; }

main
