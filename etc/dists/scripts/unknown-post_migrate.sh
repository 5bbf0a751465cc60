# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Nothing is known of this distribution, so nothing is changed.
note "the distribution is unknown: nothing in it was changed; look at /etc/fstab, the network and services that need hardware before the first start"
