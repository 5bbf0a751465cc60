# SPDX-License-Identifier: MIT
# shellcheck shell=sh source=functions disable=SC2154
# Second-level quotas (UGIDLIMIT).
ugid_quota
