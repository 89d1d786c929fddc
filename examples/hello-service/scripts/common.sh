# Where the service lives. DROVER_INSTALL_ROOT is empty but on a host whose agent installs below a directory of its own.
home="${DROVER_INSTALL_ROOT:-}/opt/hello-service"
node="${HELLO_NODE:-node}"
pid_file="$home/pid"

# One line for each run of a hook: the demo counts them.
note() { echo "$DEPLOYMENT_ID $LIFECYCLE_EVENT" >> "$home/hooks.log"; }

# A process that has ended but was not reaped yet still answers to kill -0.
is_running() { kill -0 "$1" 2>/dev/null && ! grep -q '^State:.*Z' "/proc/$1/status" 2>/dev/null; }
