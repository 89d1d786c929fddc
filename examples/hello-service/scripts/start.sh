#!/bin/sh
# ApplicationStart: starts the service in the background. Nothing has to be redirected for Drover's sake.
set -eu
. "$(dirname "$0")/common.sh"
note
"$node" "$home/server.mjs" &
echo $! > "$pid_file"
echo "started $!"
