#!/bin/sh
# Writes resolv.conf from the name servers that networkd got: write-resolver [STATE [FILE]]. Leaves one alone that says something.
state=${1:-/run/systemd/netif/state}
file=${2:-/etc/resolv.conf}

[ -s "$file" ] && exit
while IFS='=' read -r name value; do
    [ "$name" = DNS ] || continue
    for server in $value; do
        echo "nameserver $server"
    done
done <"$state" >"$file"
