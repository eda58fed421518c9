#!/bin/busybox sh
# The whole initrd of the smoke boot.
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o mode=0755 run /run
mount -t securityfs securityfs /sys/kernel/security
mkdir -p /run/cryptsetup
modprobe -a virtio_pci virtio_net virtio_blk aesni_intel xts dm_crypt
for card in /sys/class/net/*; do
    if [ -e "$card/device" ]; then
        ip addr add 10.0.2.15/24 dev "${card##*/}"
        ip link set dev "${card##*/}" up
    fi
done
for disk in /dev/vd?; do
    cryptsetup isLuks "$disk" && break
done
mkdir -p /dev/disk/by-uuid
ln -s "$disk" "$(vouchsafe-guest luks device root)"
vouchsafe-guest luks header root
vouchsafe-guest unlock root | cryptsetup open --header /run/vouchsafe/root.header --key-file - "$disk" root && mount -t ext4 -o ro /dev/mapper/root /root
vouchsafe-guest luks register --if-configured root
vouchsafe-guest latch --or-halt --root /root || poweroff -f
for card in /sys/class/net/*; do
    if [ -e "$card/device" ]; then
        ip addr flush dev "${card##*/}"
    fi
done
for folder in dev proc run sys; do
    mount -o move "/$folder" "/root/$folder"
done
exec switch_root /root /sbin/init
