#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# What cannot be moved live (tests/payload/zoo_refused.c) is refused before anything is frozen: all of it at once, each
# with the process, the object and what to do. The container runs on untouched.
. "$(dirname "$0")/../lib.sh"
zoo=$("$TESTS/payload/build" zoo)
lab_start --vz 1G --image mini a b

# ANIMAL WHAT-IS-SAID: of it the process or the object, and why
CASES=(
	"io-uring io-uring.*io_uring cannot"
	"userfaultfd userfaultfd.*userfaultfd cannot"
	"bpf-program bpf-program.*BPF program"
	"perf-event perf-event.*perf events"
	"secret-memory secret-memory.*secret memory"
	"mptcp mptcp.*MPTCP"
	"af-alg af-alg.*this protocol"
	"vsock vsock.*this protocol"
	"posix-queue message queue /zoo"
	"uts-namespace uts-namespace.*host name namespace"
	"ipc-namespace ipc-namespace.*IPC namespace"
	"net-namespace net-namespace.*network namespace"
	"pid-namespace pid-namespace.*process namespace"
	"user-namespace user-namespace.*user namespace"
	"time-namespace time-namespace.*time namespace"
	"cgroup-namespace cgroup-namespac.*cgroup namespace"
	"traced traced.*tracer"
	"unread-netlink netlink message that nobody reads"
	"netlink-groups netlink-groups.*NETLINK socket.*beyond the 32nd"
	"netlink-unbound netlink-unbound.*NETLINK socket.*bound to no port"
	"held-back held-back.*UDP socket.*part of a datagram"
	"hung-up a connection that nobody accepts"
	"lease-writer lease-writer.*lease-written.*for writing only"
	"link-watched link-watched.*inotify.*symbolic link"
	"promiscuous promiscuous.*PACKET socket.*twice"
	"kernel-tls kernel-tls.*TLS"
	"event-semaphore event-semaphore.*semaphore"
	"packet-pipe packet-pipe.*packet mode"
	"never-starts being started .vfork"
	"epoll-elsewhere epoll-elsewhere.*only another process"
	"timer-of-first timer-of-first.*POSIX timer 0.*first thread"
	"timer-of-ended timer-of-ended.*POSIX timer 0.*has ended"
	"pending-trap pending-trap.*SIGTRAP"
	"time-children time-children.*its children"
	"second-thread second-thread.*first thread has ended"
	"strayed strayed.*another session"
	"early-child early-child.*another session"
	"covered-file covered-file.*mounted over it"
	"mounted-twice mount /zoo/twice.*another mount lies over it"
	"other-name other-name.*another one"
	"mapped-name mapped-name.*another one"
)

begin() { # ANIMAL...: a zoo of these; those that this kernel does not have are missing from $present
	on a pctl exec 402 sh -c "rm -rf /zoo; /bin/zoo run /zoo $* </dev/null >/dev/null 2>&1 &"
	wait_for 20 on a test -e /vz/private/402/zoo/ready
	present=$(on a sed -n 's/^ok //p' /vz/private/402/zoo/ready)
	on a sh -c 'grep ^bad /vz/private/402/zoo/ready' || :
}

must on a pctl create 402 --ostemplate /templates/mini.tar.zst --ipadd 10.77.4.2 --live-ready no
put a /vz/private/402/bin/zoo <"$zoo"
on a chmod 755 /vz/private/402/bin/zoo
must on a pctl start 402
must on a pctl exec 402 ifconfig lo up
first=$(on a runc state 402 | grep '"pid"')

names=()
for case in "${CASES[@]}"; do names+=("${case%% *}"); done
begin "${names[@]}"
expect_exit 57 on a pmigrate c 402 c root@b --online --no-progress --dry-run
for case in "${CASES[@]}"; do
	grep -qx -- "${case%% *}" <<<"$present" || continue
	expect_out "${case#* }"
done
[ "$(wc -l <<<"$present")" -gt 18 ] || fail "only these could be made: $present"
expect_exit 57 on a pmigrate c 402 c root@b --online --no-progress
expect_eq "$(on a runc state 402 | grep '"pid"')" "$first" "the container's first process"
expect_eq "$(on a runc state 402 | grep -c '"status": "running"')" 1 "runc's opinion"

# A private area in memory: CRIU would look for the watched file by a handle that leads nowhere there.
on a sh -c 'mkdir /ram && mount -t tmpfs none /ram'
must on a pctl create 403 --ostemplate /templates/mini.tar.zst --private /ram/403 --ipadd 10.77.4.3
put a /ram/403/bin/zoo <"$zoo"
on a chmod 755 /ram/403/bin/zoo
must on a pctl start 403
on a pctl exec 403 sh -c '/bin/zoo run /zoo inotify </dev/null >/dev/null 2>&1 &'
wait_for 20 on a grep -qs '^ok inotify' /ram/403/zoo/ready
expect_exit 57 on a pmigrate c 403 c root@b --online --no-progress
expect_out "inotify.*private area that lies in memory"
expect_eq "$(on a pctl status 403 --json | grep -c running)" 1 "the state of what watches files in memory"

# What begins while files are copied is found before anything is frozen, too.
must on a pctl create 404 --ostemplate /templates/mini.tar.zst --ipadd 10.77.4.4 --live-ready no
put a /vz/private/404/bin/zoo <"$zoo"
on a chmod 755 /vz/private/404/bin/zoo
must on a pctl start 404
first=$(on a runc state 404 | grep '"pid"')
on_bg a sh -c 'PMIGRATE_FAULT=source.recopy:stop pmigrate c 404 c root@b --online --no-progress & wait $!' # nsenter would stop, too
stopped() { # is it?
	on a sh -c 'for p in /proc/[0-9]*; do [ "$(cat $p/comm)" != pmigrate ] || ! grep -q "^State:.T" $p/status || echo "${p#/proc/}"; done 2>/dev/null' | grep .
}
wait_for 20 stopped
on a pctl exec 404 sh -c '/bin/zoo run /zoo event-semaphore </dev/null >/dev/null 2>&1 &'
wait_for 20 on a grep -qs '^ok event-semaphore' /vz/private/404/zoo/ready
on a kill -CONT "$(stopped)"
wait "$bg" && fail "it moved with what cannot be moved"
grep -q 'any more: event-semaphore.*semaphore' "$bg_out" || { cat "$bg_out" >&2 && fail "the reason is not told"; }
expect_eq "$(on a runc state 404 | grep '"pid"')" "$first" "the first process of what was refused late"
