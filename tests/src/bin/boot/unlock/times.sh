#!/bin/sh
# The first program of the root file system whose boot is timed: says what ran before it, and when.
export PATH=/bin
exec >/dev/console 2>&1
# Kernel messages must not come between the lines.
echo 1 >/proc/sys/kernel/printk
mount -t tracefs tracefs /sys/kernel/tracing
echo 0 >/sys/kernel/tracing/tracing_on
echo
echo "BOOT-MARKER $(cat /etc/marker)"
grep sched_process /sys/kernel/tracing/trace
echo BOOT-END
poweroff -f
