#!/bin/sh
# The first program of the encrypted root file system: says where it runs, and asks for the disk's key once more.
export PATH=/bin:/usr/bin
exec >/dev/console 2>&1
# Kernel messages must not come between the lines.
echo 1 >/proc/sys/kernel/printk
echo
echo "BOOT-ROOT $(grep ' / ' /proc/mounts | tail -n 1)"
echo "BOOT-VOLUME $(cat /sys/class/block/dm-0/dm/name /sys/class/block/dm-0/dm/uuid | tr '\n' ' ')"
echo "BOOT-MARKER $(cat /etc/marker)"
for card in /sys/class/net/*; do
    if [ -e "$card/device" ]; then
        ip addr add 10.0.2.15/24 dev "${card##*/}"
        ip link set dev "${card##*/}" up
    fi
done
# Only the boots with an update have this.
[ ! -e /etc/update/run ] || /etc/update/run
vouchsafe-guest fetch prod/db-01/root >/run/key 2>/run/why
echo "BOOT-AGAIN exit=$? bytes=$(wc -c </run/key)"
cat /run/why
vouchsafe-guest fetch prod/app/db-password >/run/password 2>/run/why
echo "BOOT-LATCHED exit=$? bytes=$(wc -c </run/password)"
cat /run/why
# The console leaves out what is no error while somebody is asked for a passphrase.
dmesg | grep vouchsafe-guest
echo BOOT-END
poweroff -f
