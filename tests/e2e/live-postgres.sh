#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 300
#
# PostgreSQL under pgbench moves online there and back, once iteratively and once lazily: no client sees an error, every
# transaction counted by pgbench is in the database and no other, the balances add up, indexes, tables and checksums are
# sound, and the server was never started again. SOAK=SECONDS: as long under load between the moves.
. "$(dirname "$0")/../lib.sh"
lab_start --vz 3G --image debian13 a b c
IP=10.77.2.3
BIN=/usr/lib/postgresql/17/bin
DATA=/var/lib/postgresql/17/main

postgres() { # HOST COMMAND-LINE: inside, as the database's owner
	on "$1" pctl exec 203 su - postgres -c "$2"
}

sql() { # QUERY: from the client's server
	on c chroot /srv/client psql -h $IP -U postgres -d postgres -AtXq -v ON_ERROR_STOP=1 -c "$1"
}

transactions() { # how many the history has
	sql 'select count(*) from pgbench_history'
}

more_than() { # N: transactions were committed, and some go on
	[ "$(transactions)" -gt "$1" ]
}

moved() { # FROM TO OPTION...
	local before
	before=$(transactions)
	expect_exit 0 on "$1" pmigrate c 203 c "root@$2" --online --no-progress -r yes "${@:3}"
	grep -iE 'downtime|goes on as' "$OUT" || :
	wait_for 10 more_than "$before"
	sleep "${SOAK:-1}"
	must kill -0 "$load"
}

# The client's tools are those of the same image.
on c sh -c 'mkdir /srv/client && tar -C /srv/client -xf /templates/debian13.tar.zst'
must on a pctl create 203 --ostemplate /templates/debian13.tar.zst --ipadd $IP
must on a pctl start 203 --wait
must on a pctl exec 203 systemctl stop postgresql@17-main postgresql redis-server nginx
must postgres a "$BIN/pg_checksums --enable -D $DATA"
on a sh -c 'cat >>/vz/private/203/etc/postgresql/17/main/conf.d/test.conf' <<-'END'
	shared_buffers = 128MB
	checkpoint_timeout = 30s
	max_wal_size = 128MB
END
must on a pctl exec 203 systemctl start postgresql
wait_for 20 sql 'select 1'
must on c chroot /srv/client pgbench -h $IP -U postgres -q -i -s 8 postgres
begun=$(sql 'select pg_postmaster_start_time()')

on_bg c sh -c 'echo $$ >/srv/pgbench.pid; exec chroot /srv/client pgbench -h '$IP' -U postgres -c 8 -j 2 -T 3600 postgres'
load=$bg load_out=$bg_out
wait_for 20 more_than 100

moved a b
moved b a --lazy

# SIGALRM is how pgbench notices that its time is over.
on c sh -c 'kill -ALRM "$(cat /srv/pgbench.pid)"'
wait "$load" || { cat "$load_out" >&2 && fail "pgbench ended with exit code $?"; }
cat "$load_out"
grep -q '^number of failed transactions: 0 ' "$load_out" || fail "pgbench saw failed transactions"
counted=$(sed -n 's/^number of transactions actually processed: \([0-9]*\).*/\1/p' "$load_out")
expect_eq "$(transactions)" "$counted" "transactions in the history"
sums=$(sql 'select (select sum(abalance) from pgbench_accounts), (select sum(bbalance) from pgbench_branches),
	(select sum(tbalance) from pgbench_tellers), (select sum(delta) from pgbench_history)')
IFS='|' read -r accounts branches tellers history <<<"$sums"
expect_eq "$accounts $branches $tellers" "$history $history $history" "sums of the balances"
expect_eq "$(sql 'select pg_postmaster_start_time()')" "$begun" "when the server was started"
must postgres a "$BIN/pg_amcheck --install-missing --heapallindexed --parent-check --jobs=2 postgres"
! on a pctl exec 203 grep -hE 'PANIC|FATAL|CRASH|crash|corrupt|invalid page|checksum' /var/log/postgresql/postgresql-17-main.log ||
	fail "the server's log says that something is wrong"
must on a pctl exec 203 systemctl stop postgresql@17-main
must postgres a "$BIN/pg_checksums --check -D $DATA"
