#!/bin/sh
# ApplicationStart: now, and at boot.
set -eu
systemctl enable --quiet --now tomcat10.service
