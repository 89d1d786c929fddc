#!/bin/sh
# Installs Drover's agent on this host, makes the host known to its coordinator, and starts it:
#
#   curl -fsS https://drover.example.com:7717/install.sh | sh -s -- --join TOKEN
#
# An admin makes a token with `drover hosts enrol-token`. Running it again changes nothing that is in order already: it installs
# another version only if the coordinator offers one, and leaves a host enrolled that is.
#
#   --join TOKEN          the join token; better in a file, since command lines can be seen by everybody on the host:
#   --join-file FILE      file with the token
#   --coordinator URL     another address of the coordinator than the one this script came from
#   --ca-file FILE        certificate of the authority that signed the coordinator's, when this host does not know it
#   --pin sha256//BASE64  for a coordinator that signed its certificate itself: the hash of its public key, which an admin reads
#                         off the coordinator. The certificate is then fetched, and trusted from now on. For the download of
#                         this script itself: curl -fsSk --pinnedpubkey 'sha256//BASE64' https://…/install.sh | sh -s -- …
#   --name NAME           what the host is called (default: its hostname)
#   --no-start            install and enrol only
#   --force               enrol again, as another host
#
# What it changes: the package drover-agent (or, without dpkg, the files of its archive); /etc/drover/ca.crt and two keys of
# /etc/drover/agent.yaml when a CA file or a pin is given; the identity in /var/lib/drover-agent; the unit is enabled and started.
# Exit codes: 0 done; 1 failed; 2 wrong usage; 3 the name is taken (drover hosts forget it first); 11 the token was refused;
# 12 the coordinator cannot be reached.
set -eu

coordinator='@COORDINATOR_URL@'
join_token=${DROVER_JOIN_TOKEN:-}
join_file='' ca_file='' pin='' name='' force='' start=yes
changed=no

main() {
  parse_arguments "$@"
  check_host
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  trust_coordinator
  install_agent
  write_configuration
  enrol_host
  [ "$start" = no ] || start_agent
}

parse_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --force) force=--force; shift; continue ;;
      --no-start) start=no; shift; continue ;;
      -h | --help) usage; exit 0 ;;
    esac
    [ $# -ge 2 ] || fail 2 "$1 needs a value"
    case $1 in
      --join) join_token=$2 ;;
      --join-file) join_file=$2 ;;
      --coordinator) coordinator=${2%/} ;;
      --ca-file) ca_file=$2 ;;
      --pin) pin=$2 ;;
      --name) name=$2 ;;
      *) fail 2 "unknown option $1" ;;
    esac
    shift 2
  done
  case $coordinator in
    https://* | http://*) ;;
    *) fail 2 "where is the coordinator? Give --coordinator https://…" ;;
  esac
  case $pin in '' | sha256//*) ;; *) fail 2 "--pin: expected sha256//BASE64, got $pin" ;; esac
  [ -z "$join_file" ] || [ -r "$join_file" ] || fail 2 "--join-file: cannot read $join_file"
  [ -z "$ca_file" ] || [ -r "$ca_file" ] || fail 2 "--ca-file: cannot read $ca_file"
}

check_host() {
  [ "$(id -u)" = 0 ] || fail 1 "root is needed: … | sudo sh -s -- …"
  for tool in curl sha256sum systemctl; do
    command -v "$tool" > /dev/null || fail 1 "$tool is needed, and not there"
  done
  case $(uname -m) in
    x86_64) architecture=amd64 ;;
    aarch64) architecture=arm64 ;;
    *) fail 1 "there is no package for $(uname -m)" ;;
  esac
}

# Sets which authority this host trusts for the coordinator: the system's, a file, or a certificate whose key is pinned.
trust_coordinator() {
  if [ -n "$ca_file" ]; then
    cp "$ca_file" "$work/ca.crt"
  elif [ -n "$pin" ]; then
    # -k: what is checked is the key, and it is checked before anything is sent.
    curl -fsSk --max-time 60 --pinnedpubkey "$pin" -o "$work/ca.crt" "$coordinator/install/ca.crt" ||
      fail 12 "$coordinator does not have the pinned key, or does not answer"
  elif [ -f /etc/drover/ca.crt ]; then
    cp /etc/drover/ca.crt "$work/ca.crt"
  fi
}

# fetch NAME: a file that the coordinator offers, into $work.
fetch() {
  if [ -f "$work/ca.crt" ]; then set -- "$1" --cacert "$work/ca.crt"; else set -- "$1"; fi
  file=$1
  shift
  curl -fsS --retry 5 --retry-connrefused --max-time 900 "$@" -o "$work/$file" "$coordinator/install/$file"
}

install_agent() {
  fetch SHA256SUMS || fail 12 "$coordinator does not offer packages, or does not answer (for its own certificate: --ca-file or --pin)"
  if command -v dpkg > /dev/null; then suffix=deb; else suffix=tar.gz; fi
  # The newest comes last.
  package=$(sed -n "s/^[0-9a-f]\{64\}  \(drover-agent_[0-9A-Za-z.+~-]*_$architecture\.$suffix\)\$/\1/p" "$work/SHA256SUMS" | tail -n 1)
  [ -n "$package" ] || fail 1 "the coordinator offers no drover-agent_…_$architecture.$suffix"
  version=${package#drover-agent_}
  version=${version%_"$architecture"."$suffix"}
  installed=$(installed_version)
  if [ "$installed" = "$version" ]; then
    say "drover-agent $version is installed"
    return
  fi
  if is_newer "$installed" "$version"; then
    say "drover-agent $installed is installed; the coordinator offers $version, which is older"
    return
  fi
  say "installing drover-agent $version"
  fetch "$package" || fail 12 "$package could not be downloaded"
  (cd "$work" && grep "  $package\$" SHA256SUMS | sha256sum --check --quiet) || fail 1 "$package arrived damaged"
  if [ "$suffix" = deb ]; then
    # A configuration that was changed here stays as it is.
    DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold -i "$work/$package" > "$work/dpkg.log" 2>&1 ||
      { cat "$work/dpkg.log" >&2; fail 1 "dpkg failed"; }
  else
    unpack_archive
  fi
}

installed_version() {
  if [ -x /usr/bin/drover-agent ]; then /usr/bin/drover-agent --version 2> /dev/null || true; fi
}

# is_newer A B: for versions as Debian orders them; nothing is older than everything.
is_newer() {
  [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1)" != "$2" ]
}

unpack_archive() {
  was_active=$(systemctl is-active drover-agent.service || true)
  tar -xzf "$work/$package" -C / --no-same-owner --keep-directory-symlink
  mkdir -p /etc/drover
  [ -e /etc/drover/agent.yaml ] || cp /usr/share/doc/drover-agent/agent.yaml.packaged /etc/drover/agent.yaml
  systemd-tmpfiles --create drover-agent.conf || true
  systemctl daemon-reload
  [ "$was_active" != active ] || systemctl restart drover-agent.service
}

write_configuration() {
  [ -n "$ca_file$pin" ] || return 0
  if ! cmp -s "$work/ca.crt" /etc/drover/ca.crt; then
    install -m 644 "$work/ca.crt" /etc/drover/ca.crt
    changed=yes
  fi
  set_key caFile /etc/drover/ca.crt
  set_key coordinatorUrl "$coordinator"
}

# set_key KEY VALUE: in agent.yaml, whatever else is in it.
set_key() {
  if grep -sqxF "$1: $2" /etc/drover/agent.yaml; then return; fi
  changed=yes
  if grep -sq "^$1:" /etc/drover/agent.yaml; then
    sed -i "s|^$1:.*|$1: $2|" /etc/drover/agent.yaml
  else
    # Nobody has to end the last line of a file, and the key would become a part of it.
    [ -z "$(tail -c 1 /etc/drover/agent.yaml 2> /dev/null)" ] || echo >> /etc/drover/agent.yaml
    printf '%s: %s\n' "$1" "$2" >> /etc/drover/agent.yaml
  fi
}

enrol_host() {
  if [ -z "$force" ] && drover-agent status --json 2> /dev/null | grep -q '"host":{'; then
    say "enrolled already: $(drover-agent status | sed -n 's/^host *//p')"
    return
  fi
  [ -z "$join_file" ] || join_token=$(cat "$join_file")
  [ -n "$join_token" ] || fail 2 "this host is not enrolled: give --join TOKEN (an admin makes one: drover hosts enrol-token)"
  set -- enrol --coordinator "$coordinator" --token-file -
  [ -z "$name" ] || set -- "$@" --name "$name"
  [ -z "$force" ] || set -- "$@" --force
  changed=yes
  code=0
  printf '%s\n' "$join_token" | drover-agent "$@" || code=$?
  [ "$code" = 0 ] || fail "$code" "the host was not enrolled"
}

start_agent() {
  systemctl enable --quiet drover-agent.service
  # `start` would do nothing for one that runs with what was in the configuration before.
  if [ "$changed" = yes ]; then systemctl restart drover-agent.service; else systemctl start drover-agent.service; fi
  say "drover-agent is running; journalctl -u drover-agent shows what it says"
}

usage() {
  echo "curl -fsS $coordinator/install.sh | sh -s -- --join TOKEN"
  echo "  --join TOKEN | --join-file FILE, --coordinator URL, --ca-file FILE, --pin sha256//BASE64, --name NAME, --no-start, --force"
}

say() { echo "drover: $*"; }

fail() {
  code=$1
  shift
  echo "drover: $*" >&2
  exit "$code"
}

# Nothing has been done until this line: a download that was cut does nothing.
main "$@"
