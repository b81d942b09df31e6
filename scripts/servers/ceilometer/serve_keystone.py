"""Keystone's API over HTTP, with the configuration that OS_KEYSTONE_CONFIG_FILES names."""

import sys

import waitress

port = int(sys.argv.pop())
# Keystone takes what it finds in `sys.argv` for its own.
from keystone.wsgi.api import application  # noqa: E402

waitress.serve(application, host="127.0.0.1", port=port, threads=4)
