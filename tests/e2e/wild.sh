#!/bin/bash
# SPDX-License-Identifier: MIT
# timeout: 600
#
# Eight services as Debian 13 installs them, each in a Container of its own, move online there and back under load: no client sees an
# error or a wrong answer, their data are sound, every unit is active and can be restarted. WILD_ONLY='NAME...': only those.
# shellcheck source=../lib.sh
. "$(dirname "$0")/../lib.sh"
. "$TESTS/wild/wild.sh"
# shellcheck disable=SC2086 # a list of words
wild_group sample ${WILD_ONLY:-}
