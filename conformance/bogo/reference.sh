#!/bin/sh
# The shim of the reference: one process for each test.
exec node "$(dirname "$0")/../../build/conformance/bogo/main.js" "$@"
