#!/bin/sh
# Hands the work to updater.sh, in a unit of its own: it outlives the agent, this script, and a reboot. The agent is restarted while
# this script waits; the new one finds it again, as it does any hook. Nothing else can be starting on this host meanwhile, since
# an agent walks one deployment at a time.
set -eu
. ./place.sh

if [ "$(installed_version)" = "$version" ] && grep -qF "\"version\":\"$version\"" "$state/status.json"; then
  echo "drover-agent $version runs already"
  exit 0
fi

rm -rf "$work"
mkdir -m 700 "$work"
cp updater.sh "$work/"
cp "$package" "$work/new.$suffix"
cat > "$work/job" << JOB
kind='$kind'
package='$work/new.$suffix'
version='$version'
previous='$(installed_version)'
healthy_within_seconds='${DROVER_HEALTHY_WITHIN_SECONDS:-120}'
JOB
cat > "/etc/systemd/system/$unit" << UNIT
[Unit]
Description=Replaces the Drover agent by another version, and puts the old one back if that does not connect
After=network-online.target

[Service]
Type=exec
ExecStart=/bin/sh "$work/updater.sh"
# It goes on where it was.
Restart=on-failure
RestartSec=2

[Install]
# After a reboot in the middle, too. It removes itself at the end.
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
systemctl enable --quiet --no-reload "$unit"
# Before anything is replaced, for it has to go on after a power cut.
sync
systemctl start --no-block "$unit"

# Started again by systemd it is never away for longer than some seconds.
absent=0
while [ ! -e "$work/verdict" ]; do
  sleep 1
  case $(systemctl is-active "$unit") in
    inactive | failed) absent=$((absent + 1)) ;;
    *) absent=0 ;;
  esac
  if [ "$absent" -ge 10 ]; then
    [ ! -e "$work/log" ] || cat "$work/log"
    fail "$unit ended without a verdict: journalctl -u $unit"
  fi
done
cat "$work/log"
[ "$(cat "$work/verdict")" = updated ]
