# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# After a Container was made of a template: nothing of the template's own identity stays.
rm -f /etc/ssh/ssh_host_*key /etc/ssh/ssh_host_*key.pub
[ ! -f /etc/machine-id ] || : >/etc/machine-id
if [ -d /etc/ssh ] && has ssh-keygen; then ssh-keygen -A >/dev/null; fi
