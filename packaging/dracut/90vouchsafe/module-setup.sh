#!/bin/bash
# Unlocks volumes of crypttab whose key file is the socket of vouchsafe-guest. Belongs, with its folder, in /usr/lib/dracut/modules.d.
# shellcheck disable=SC2154 # dracut sets them: initdir, moddir, systemdsystemunitdir, systemdutildir

# Every unit that opens a shell in the initrd, or leaves it for something else than the system.
vouchsafe_exits="debug-shell dracut-emergency emergency rescue systemd-hibernate-resume"
# Units that ask for passphrases: on the console, and where there is a splash screen.
vouchsafe_agents="systemd-ask-password-console systemd-ask-password-plymouth"

# Lines of crypttab with the socket, of volumes that the initrd unlocks.
vouchsafe_crypttab() {
    local volume device key options
    [[ -f ${dracutsysrootdir-}/etc/crypttab ]] || return 0
    while read -r volume device key options || [[ -n $volume ]]; do
        [[ $volume != \#* && $key == /run/vouchsafe/keys.sock ]] || continue
        # systemd takes these names for volumes of the initrd.
        if [[ $volume == root || $volume == usr || ,$options, == *,x-initrd.attach,* || ,$options, == *,force,* ]]; then
            echo "$volume $device $key $options"
        fi
    done <"${dracutsysrootdir-}/etc/crypttab"
}

vouchsafe_fail() {
    dfatal "vouchsafe: $*"
    exit 1
}

check() {
    [[ -n $(vouchsafe_crypttab) ]] && return 0
    # Nothing to do on a machine that unlocks no volume by attestation.
    return 255
}

depends() {
    local module
    echo crypt dracut-systemd systemd-initrd
    # A module of its own in newer versions.
    for module in "${dracutbasedir:?}"/modules.d/[0-9][0-9]systemd-cryptsetup; do
        [[ -d $module ]] && echo systemd-cryptsetup
    done
    return 0
}

installkernel() {
    # Network cards and disks of clouds, TPM, and the interfaces of confidential VMs for their reports. Some kernels have them built in.
    hostonly='' instmods virtio_pci virtio_net virtio_blk virtio_scsi gve ena nvme dm_crypt xts \
        tpm_crb tpm_tis sev-guest tdx_guest tsm_report tsm configfs
}

install() {
    vouchsafe_guest
    vouchsafe_configuration
    vouchsafe_network
    vouchsafe_latch
    vouchsafe_volumes
}

vouchsafe_guest() {
    local guest=/usr/lib/vouchsafe/initrd/vouchsafe-guest unit
    # The small build for initrds, or else the other.
    [[ -x $guest ]] || guest=$(command -v vouchsafe-guest) || vouchsafe_fail "crypttab names the socket, and there is no vouchsafe-guest to unlock with; install the package of that name"
    inst_binary "$guest" /usr/bin/vouchsafe-guest || vouchsafe_fail "$guest or a library that it needs cannot be copied"
    # The library opens the TPM's device through a module that it loads at run time.
    inst_libdir_file "libtss2-tcti-device.so*" || vouchsafe_fail "libtss2-tcti-device is missing; install the package of that name, or tpm2-tss"
    for unit in vouchsafe-serve-keys.socket vouchsafe-serve-keys.service vouchsafe-header@.service; do
        inst_simple "$systemdsystemunitdir/$unit" || vouchsafe_fail "$systemdsystemunitdir/$unit is missing"
    done
    inst_multiple -o "$systemdsystemunitdir"/{modprobe@.service,sys-kernel-config.mount,network-online.target,cryptsetup-pre.target}
    vouchsafe_want sockets.target vouchsafe-serve-keys.socket
}

# The broker's URL, CA and identity become part of the measured initrd, which is not encrypted: nothing secret may be copied.
vouchsafe_configuration() {
    local file
    [[ -f /etc/vouchsafe/guest.toml ]] || vouchsafe_fail "crypttab names the socket, and there is no /etc/vouchsafe/guest.toml"
    inst_simple /etc/vouchsafe/guest.toml
    # Measured, and root's: a mode of the running system is no reason to refuse it in the initrd.
    chmod go-w "$initdir/etc/vouchsafe/guest.toml"
    for file in /etc/vouchsafe/*.pem; do
        [[ -f $file ]] || continue
        if grep -q 'PRIVATE KEY' "$file"; then
            dwarn "vouchsafe: $file has a private key, so it is not copied into the initrd"
            continue
        fi
        inst_simple "$file"
        chmod go-w "$initdir$file"
    done
}

vouchsafe_network() {
    local account
    require_binaries "$systemdutildir"/systemd-networkd "$systemdutildir"/systemd-networkd-wait-online ||
        vouchsafe_fail "the request for keys needs systemd-networkd; install the package of that name (RHEL: from EPEL)"
    inst_multiple "$systemdutildir"/systemd-networkd "$systemdutildir"/systemd-networkd-wait-online \
        "$systemdsystemunitdir"/systemd-networkd.{service,socket} "$systemdsystemunitdir"/{network,network-pre}.target
    # Cards have the names that they have in the system.
    inst_multiple -o "${tmpfilesdir:-/usr/lib/tmpfiles.d}"/systemd-network.conf /usr/lib/systemd/network/99-default.link
    for account in passwd group; do
        grep -q '^systemd-network:' "$initdir/etc/$account" 2>/dev/null ||
            grep '^systemd-network:' "/etc/$account" >>"$initdir/etc/$account"
    done
    inst_simple "$moddir/vouchsafe.network" /etc/systemd/network/90-vouchsafe.network
    inst_script "$moddir/write-resolver.sh" /usr/lib/vouchsafe/write-resolver
    inst_simple "$moddir/vouchsafe-network.service" "$systemdsystemunitdir/vouchsafe-network.service"
    vouchsafe_want network-online.target vouchsafe-network.service
    # At once, while disks are searched for.
    vouchsafe_want initrd.target vouchsafe-network.service
}

vouchsafe_latch() {
    local unit
    for unit in vouchsafe-latch.service vouchsafe-latch-failed.service; do
        inst_simple "$moddir/$unit" "$systemdsystemunitdir/$unit"
    done
    vouchsafe_drop_in leaving.conf initrd-switch-root
    for unit in $vouchsafe_exits; do
        vouchsafe_drop_in failing.conf "$unit"
    done
    for unit in $vouchsafe_agents; do
        vouchsafe_drop_in asking.conf "$unit"
    done
    vouchsafe_drop_in cryptsetup.conf systemd-cryptsetup@
}

# dracut's own module copies these lines only into an initrd for this machine alone (hostonly). cryptsetup must never read the header
# on the disk: crypttab names the copy that the guest makes and checks.
vouchsafe_volumes() {
    local volume rest
    while read -r volume rest; do
        [[ ,${rest##* }, == *,header=/run/vouchsafe/$volume.header,* ]] ||
            vouchsafe_fail "the options of $volume in crypttab need header=/run/vouchsafe/$volume.header"
        grep -qE "^${volume}[[:space:]]" "$initdir/etc/crypttab" 2>/dev/null || echo "$volume $rest" >>"$initdir/etc/crypttab"
        vouchsafe_header "$volume"
    done < <(vouchsafe_crypttab)
}

# The copy is made once the device is there, and systemd-cryptsetup requires it.
vouchsafe_header() {
    local device instance
    device=$("$initdir/usr/bin/vouchsafe-guest" luks device "$1") || vouchsafe_fail "/etc/vouchsafe/guest.toml has no device of the volume $1"
    instance=$(systemd-escape "$1")
    mkdir -p "$initdir$systemdsystemunitdir/systemd-cryptsetup@$instance.service.requires" \
        "$initdir$systemdsystemunitdir/vouchsafe-header@$instance.service.d"
    ln -sfn ../vouchsafe-header@.service \
        "$initdir$systemdsystemunitdir/systemd-cryptsetup@$instance.service.requires/vouchsafe-header@$instance.service"
    printf '[Unit]\nAfter=%s\n' "$(systemd-escape --path --suffix=device "$device")" \
        >"$initdir$systemdsystemunitdir/vouchsafe-header@$instance.service.d/device.conf"
}

# vouchsafe_drop_in FILE SERVICE
vouchsafe_drop_in() {
    inst_simple "$moddir/$1" "$systemdsystemunitdir/$2.service.d/vouchsafe.conf"
}

# vouchsafe_want TARGET UNIT: the target starts the unit.
vouchsafe_want() {
    mkdir -p "$initdir$systemdsystemunitdir/$1.wants"
    ln -sfn "../$2" "$initdir$systemdsystemunitdir/$1.wants/$2"
}
