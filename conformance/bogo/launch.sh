#!/bin/bash
# The shim of the fast mode: hands its arguments to the daemon, and gives back what that says.
LC_ALL=C
exec 3<>"/dev/tcp/127.0.0.1/$BOGO_DAEMON_PORT" || exit 1
printf '%s\0' "$@" >&3
printf '\n' >&3
read -r code length <&3
((length > 0)) && IFS= read -r -N "$length" out <&3 && printf %s "$out"
IFS= read -r -d '' err <&3
printf %s "$err" >&2
exit "$code"
