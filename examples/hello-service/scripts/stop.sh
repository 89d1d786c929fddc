#!/bin/sh
# ApplicationStop: ends the version that runs, by its process id, and waits until it is gone.
set -eu
. "$(dirname "$0")/common.sh"
note
[ -f "$pid_file" ] || exit 0
pid=$(cat "$pid_file")
kill "$pid" 2>/dev/null || { rm -f "$pid_file"; exit 0; }
tries=0
while is_running "$pid"; do
  tries=$((tries + 1))
  if [ "$tries" -gt 100 ]; then kill -KILL "$pid" 2>/dev/null || true; break; fi
  sleep 0.05
done
rm -f "$pid_file"
echo "stopped $pid"
