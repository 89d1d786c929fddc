#!/bin/sh
# AfterInstall: nginx finds the site, and its configuration is tested as a whole before anything is told to read it.
set -eu
ln -sfn /etc/hello-site/nginx.conf /etc/nginx/conf.d/hello-site.conf
nginx -t
