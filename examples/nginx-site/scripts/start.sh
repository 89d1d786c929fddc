#!/bin/sh
# ApplicationStart: a running nginx reads its configuration again without losing a request; else it is started, now and at boot.
set -eu
systemctl enable --quiet nginx.service
systemctl reload-or-restart nginx.service
