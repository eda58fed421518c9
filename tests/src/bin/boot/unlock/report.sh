#!/bin/sh
# Says where the system runs and what it got, and asks for the disk's key once more. Powers the machine off.
# Messages of the kernel and of systemd (SIGRTMIN+21) must not come between the lines.
echo 1 >/proc/sys/kernel/printk
kill -55 1
umask 077
echo
echo "BOOT-ROOT $(grep ' / ' /proc/mounts | tail -n 1)"
for device in /sys/class/block/dm-*; do
    echo "BOOT-VOLUME $(tr '\n' ' ' <"$device/dm/name")$(tr '\n' ' ' <"$device/dm/uuid")"
done
echo "BOOT-MARKER $(cat /etc/marker)"
vouchsafe-guest fetch prod/db-01/root >/run/key 2>/run/why
echo "BOOT-AGAIN exit=$? bytes=$(wc -c </run/key)"
cat /run/why
echo "BOOT-DATA $(head -c 32 /dev/mapper/data)"
systemctl start app.service
echo "BOOT-APP exit=$?"
cat /run/credential
# The same service under another name, for which the configuration has no credential.
cp /etc/systemd/system/app.service /run/systemd/system/other.service
sed -i 's/BOOT-CREDENTIAL/BOOT-STOLEN/' /run/systemd/system/other.service
rm /run/credential
systemctl daemon-reload
systemctl start other.service
echo "BOOT-OTHER exit=$? $(cat /run/credential)"
echo BOOT-JOURNAL
journalctl --boot --no-pager --quiet --output=short-monotonic
echo BOOT-END
poweroff -f
