# SPDX-License-Identifier: MIT
"""list.py FOLDER: CRIU's test programs, from the makefiles and .desc files of test/zdtm. A line each, five words or more:
  NAME                 static/NAME or transition/NAME
  together | alone     may it share a Container with others?
  user | root          as whom it runs
  - | REASON           why it is not tried as a workload: it needs what only CRIU's own runner gives; dots for blanks
  ARGUMENT...
"""
import os, re, sys

TOP = sys.argv[1]
ARGUMENTS = {"TST_FILE": "--filename={0}.test", "TST_DIR": "--dirname={0}.test", "TST_DIR_FILE": "--dirname={0}.dir.test --filename={0}.test"}
# What the makefiles say in rules of their own.
OWN_ARGUMENTS = {
    "cmdlinenv00": "--arg1=arg1 --arg2=arg2 --arg3=arg3", "shm-unaligned": "--shmem_size=5000", "shm-hugetlb": "--shmem_size=4194304",
    "env00": "--envname=ENV_00_TEST", "umask00": "--mask=0345",
    "fifo-rowo-pair": "--name_master=fifo-rowo-pair.master.test --name_slave=fifo-rowo-pair.slave.test"}
RUNNER_OPTIONS = ("external", "ext-mount-map", "ext-unix-sk", "lsm-", "enable-fs", "cgroup-yard", "cgroup-root", "join-ns", "allow-uprobes",
                  "network-lock", "force-irmap", "tcp-close", "skip-in-flight", "pidfd-store")


def lists(folder):
    """each variable TST… of a makefile with its words"""
    text = open(f"{TOP}/{folder}/Makefile").read().replace("\\\n", " ")
    found = {}
    for name, words in re.findall(r"^\s*(TST\w*)\s*\+?:?=([^#\n]*)", text, re.M):
        found.setdefault(name, []).extend(w for w in words.split() if "$" not in w)
    return found


def description(folder, name):
    path = f"{TOP}/{folder}/{name}.desc"
    return eval(open(path).read(), {"os": os}) if os.path.exists(path) else {}


def why_not(folder, name, desc):
    flags = desc.get("flags", "").split()
    options = " ".join(desc.get(k, "") for k in ("opts", "dopts", "ropts"))
    special = [o for o in RUNNER_OPTIONS if "--" + o in options]
    if "x86_64" not in desc.get("arch", "x86_64") or name.startswith(("s390x", "arm-")):
        return "another.architecture"
    if not os.access(f"{TOP}/{folder}/{name}", os.X_OK):
        return "cannot.be.built.here"
    if "crlib" in flags:
        return "needs.a.plugin.of.CRIU"
    if "pre-dump-notify" in flags or "reqrst" in flags:
        return "needs.CRIU's.own.runner"
    if special:
        return "about.CRIU's.option.--" + special[0].rstrip("-")
    if os.path.exists(f"{TOP}/{folder}/{name}.hook"):
        return "needs.a.hook.of.CRIU's.runner"
    return "-"


for folder in "static", "transition":
    seen = {}
    for kind, names in lists(folder).items():
        for name in names:
            if name not in seen or seen[name] == "TST":
                seen[name] = kind
    for name, kind in seen.items():
        desc = description(folder, name)
        alone = "excl" in desc.get("flags", "").split() or "h" not in desc.get("flavor", "h").split() or folder == "transition"
        print(f"{folder}/{name}", "alone" if alone else "together", "root" if "suid" in desc.get("flags", "").split() else "user",
              why_not(folder, name, desc), OWN_ARGUMENTS.get(name, ARGUMENTS.get(kind, "").format(name)))
