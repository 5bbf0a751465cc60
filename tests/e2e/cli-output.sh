#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What a user sees and what a program reads: a terminal, plain lines, --batch, --stats, --report, errors, exit codes.
. "$(dirname "$0")/../lib.sh"
. "$TESTS/faults.sh"

lab_start --vz 512M --image mini a b
fault_setup

home() {
	expect_exit 0 on b pmigrate c 101 c root@a -r yes
	on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
}

# ---- several: the first failure ends it, and what was not begun is said
expect_exit 10 on a pmigrate c 998,999,101 c root@b
expect_out 'not begun: 999, 101'
expect_eq "$(where_is)" a "where it is after a list that failed"

# ---- help, version, nonsense
expect_exit 1 on a pmigrate --help
expect_out '--require-realtime'
expect_exit 1 on a pmigrate h x c 7 --help
expect_out '--srvstop'
expect_no_out '--require-realtime'
expect_exit 0 on a pmigrate --version
expect_out '^pmigrate [0-9]'
expect_exit 1 on a pmigrate
expect_exit 1 on a pmigrate c 101 h root@b
expect_out 'possible are'
expect_exit 34 on a pmigrate c 101 c localhost
expect_exit 10 on a pmigrate c 999 c root@b
expect_exit 4 on a pmigrate c 101 c root@nosuchserver.invalid
expect_exit 1 on a pmigrate agent here
expect_exit 1 on a pmigrate recover --commit
expect_exit 1 on a pmigrate status 7
expect_exit 1 on a pmigrate c 101 c root@b --report /no/such/folder/r.html

# ---- a dry run predicts, and says nothing else happened
expect_exit 0 on a pmigrate c 101 c root@b --dry-run
expect_out 'It would send [0-9.]+ [KM]iB in'
expect_out 'Predicted downtime: [0-9]'
expect_eq "$(where_is)" a "where it is after a dry run"

# ---- plain lines when nobody looks: no escapes; the files of --stats and --report
expect_exit 0 on a pmigrate c 101 c root@b --stats /tmp/s.json --report=/tmp/r.html
! grep -q "$(printf '[\033\r]')" "$OUT" || fail "escape sequences without a terminal"
expect_out '^Container 101: a -> '
expect_out '^  Copying files +[0-9.]+ [KM]iB, [0-9]+ files +[0-9.]+ m?s$|^  Copying files  '
expect_out '^  Downtime [0-9.]+ m?s: stop [0-9.]+ m?s, last '
expect_out '^Container 101 \(first\): .* on a, running on '
on a cat /tmp/s.json >"$TEST_DIR/s.json"
on a cat /tmp/r.html >"$TEST_DIR/r.html"
python3 - "$TEST_DIR/s.json" "$TEST_DIR/r.html" <<'END' || fail "--stats or --report is not whole"
import json, sys, xml.dom.minidom, re
m = json.load(open(sys.argv[1]))["migrations"]
assert len(m) == 1 and m[0]["finish"]["ok"] and m[0]["account"]["downtime_ms"] > 0, m
assert {p["phase"] for p in m[0]["phases"]} >= {"check", "copy", "stop", "last", "hold", "start"}, m
assert all(p["state"] == "done" for p in m[0]["phases"])
page = open(sys.argv[2]).read()
svg = re.search(r"<svg.*?</svg>", page, re.S).group(0)
xml.dom.minidom.parseString(svg)
assert "://" not in page.replace("http://www.w3.org", ""), "the page needs something else"
END

# ---- --batch: each line is an object of the schema's, the last one is the end
on b pmigrate c 101 c root@a -b -r yes --limit 1M >"$TEST_DIR/batch" 2>"$TEST_DIR/errors" </dev/null || fail "a move with --batch"
[ ! -s "$TEST_DIR/errors" ] || fail "something on stderr with --batch: $(cat "$TEST_DIR/errors")"
python3 - "$TESTS/../doc/batch-schema.json" "$TEST_DIR/batch" <<'END' || fail "--batch does not keep to its schema"
import json, sys
kinds = {k["title"]: k for k in json.load(open(sys.argv[1]))["oneOf"]}
lines = [json.loads(l) for l in open(sys.argv[2])]
for l in lines:
    k = kinds[l["event"]]
    assert set(k["required"]) <= set(l) <= set(k["properties"]), l
assert lines[0]["event"] == "begin" and lines[-1]["event"] == "finish" and lines[-1]["exit"] == 0
assert any(l["event"] == "progress" and l["bytes"] > 0 for l in lines), "no progress in seconds"
begun = [l["phase"] for l in lines if l["event"] == "phase" and l["state"] == "begin"]
ended = [l["phase"] for l in lines if l["event"] == "phase" and l["state"] == "done"]
assert begun == ended, (begun, ended)
END
on a sh -c 'rm -rf /vz/private/101.migrated* /etc/vz/conf/101.conf.migrated*'
expect_exit 1 on a pmigrate c 101 c root@b --batch --nothing
expect_out '^\{"event":"finish","ok":false,"exit":1,'

# ---- status --batch, too
on a pmigrate status --all --batch >"$TEST_DIR/batch"
python3 - "$TESTS/../doc/batch-schema.json" "$TEST_DIR/batch" <<'END' || fail "status --batch does not keep to its schema"
import json, sys
kinds = {k["title"]: k for k in json.load(open(sys.argv[1]))["oneOf"]}
lines = [json.loads(l) for l in open(sys.argv[2])]
assert lines
for l in lines:
    k = kinds[l["event"]]
    assert set(k["required"]) <= set(l) <= set(k["properties"]), l
    assert l["state"] in k["properties"]["state"]["enum"], l
END

# ---- narrow terminals: a phase is a line
for columns in 60 40 200; do
	from=$(where_is) to=$([ "$from" = a ] && echo b || echo a)
	expect_exit 0 on "$from" env TERM=xterm TYPING_COLUMNS=$columns python3 -c "$(<"$TESTS/lab/typing.py")" -- \
		pmigrate c 101 c "root@$to" -r yes --limit 2M
	python3 - "$OUT" $columns <<'END' || fail "lines of phases wrap at $columns columns"
import re, sys
phases = [l for l in re.split("[\r\n]", open(sys.argv[1]).read()) if re.match("  (Check|Copy|Stop|Prepar|Letting|Retir)", l)]
assert len(phases) > 6, phases
for l in phases:
    l = l.replace("\x1b[K", "")
    assert len(l) <= int(sys.argv[2]) and not re.search("ETA ?$|ETA [0-9.]+ ?$", l), l
END
done
[ "$(where_is)" = a ] || home

# ---- a terminal: bars, rates and the time left, drawn over each other
PYTHONDONTWRITEBYTECODE=1 python3 - "$LAB" "$TEST_DIR/lab" <<'END' >"$TEST_DIR/tty" || fail "a move on a terminal"
import os, pty, sys
os.environ["TERM"] = "xterm"
sys.exit(os.waitstatus_to_exitcode(pty.spawn(
    [sys.argv[1], "exec", sys.argv[2], "a", "env", "TERM=xterm", "pmigrate", "c", "101", "c", "root@b", "--limit", "1M"])))
END
tr '\r' '\n' <"$TEST_DIR/tty" >"$OUT"
expect_out '^  Copying files +\[=*>? *\] +[0-9]+%  [0-9.]+ [KM]iB( of [0-9.]+ [KM]iB)?  [0-9.]+ [KM]iB/s  ETA '
home

# ---- an engine that is not there; where one is that is not here
expect_exit 37 on a pmigrate c podman:101 c root@b
expect_out 'a has no engine podman'
expect_exit 10 on a pmigrate c root@b/first c root@a
expect_out "there is no container 'first' on b"
expect_out 'it was moved to a$'

# ---- completion: names with blanks are one word, a destination is a server
must on a pctl create 102 --empty --name 'my web'
put a /tmp/complete <<'END'
. /usr/local/share/bash-completion/completions/pmigrate
_known_hosts_real() { COMPREPLY+=("servers"); }
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_pmigrate
echo "${COMPREPLY[@]}"
END
expect_eq "$(on a bash /tmp/complete pmigrate c m)" 'my\ web' "completion of a name"
expect_eq "$(on a bash /tmp/complete pmigrate c '')" '101 102 first my\ web' "completion of a Container"
expect_eq "$(on a bash /tmp/complete pmigrate c 101 c '')" 'servers' "completion of a destination"
expect_eq "$(on a bash /tmp/complete pmigrate recover --c)" '--commit' "completion of recover"
must on a pctl destroy 102

# ---- errors say what, where, what to do; the exit code tells the check; all findings at once
on b sh -c 'mkdir -p /etc/vz/licenses && echo "ct_total=0" >/etc/vz/licenses/one'
on a sh -c 'echo "TECHNOLOGIES=\"x86_64 wormhole\"" >>/etc/vz/conf/101.conf'
expect_exit 30 on a pmigrate c 101 c root@b
expect_out 'failed: license: b may run 0'
expect_out 'failed: technologies: .*wormhole'
expect_out '^pmigrate: .*\(and 1 more\)'
expect_out '^pmigrate: what to do: '
expect_exit 32 on a pmigrate c 101 c root@b --nodeps=license
expect_out '^pmigrate: Container 101: nothing was changed'
expect_eq "$(where_is)" a "where it is after failed checks"
